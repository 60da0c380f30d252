"""MediaPipe's hair segmentation: how probably each pixel of a picture shows hair.

Tkachenka et al. 2019, "Real-time Hair Segmentation and Recoloring on Mobile GPUs". Beards and brows are no hair to it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.assets import shipped
from ganfit_nb.networks.tflite import TFLiteNetwork

HAIR_SIZE = 512  # px, side of the network's input and output
OUTPUT, HAIR = "conv2d_transpose_4", 1  # two logits a pixel: the rest of the picture, and hair


class HairSegmentation:
    """Finds hair in a square that shows a head."""

    def __init__(self) -> None:
        with shipped("hair_segmentation.safetensors") as path:
            self.network = TFLiteNetwork(path).eval()

    @torch.no_grad()
    def __call__(self, squares: Float[Tensor, "N 3 512 512"]) -> Float[Tensor, "N 1 512 512"]:
        """The probability of hair for each pixel of RGB pictures in 0..1."""
        # The fourth channel is the mask of the frame before, in a video. A single picture has none.
        logits = self.network(F.pad(squares, (0, 0, 0, 0, 0, 1)))[OUTPUT]
        return logits.softmax(1)[:, HAIR : HAIR + 1]
