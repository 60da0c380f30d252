"""FAN (Bulat & Tzimiropoulos 2017), the paper's landmark network M of Eq. 11, through the package face-alignment."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.assets.registry import required
from ganfit_nb.errors import GanfitError
from ganfit_nb.photos.landmarks import DetectedFace, by_area


class FanDetector:
    """Finds faces by the S³FD detector and 68 points in each by FAN. It finds no dense points.

    A photo takes about a second on a CPU.
    """

    def __init__(self) -> None:
        try:
            import face_alignment
        except ImportError as error:
            raise GanfitError('FAN needs face-alignment; run: pip install "ganfit_nb[detectors]"') from error
        required("fan")  # without this check the package would download the weights itself, unverified
        self.network = face_alignment.FaceAlignment(face_alignment.LandmarksType.TWO_D, device="cpu", compile=False)

    @torch.no_grad()
    def __call__(self, image: Float[Tensor, "H W 3"]) -> list[DetectedFace]:
        """The faces in the image, the largest first."""
        pixels = (image * 255).round().to(torch.uint8).numpy()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No faces were detected")
            points, _, boxes = self.network.get_landmarks_from_image(pixels, return_bboxes=True)
        return by_area(
            DetectedFace(_tensor(p), None, _tensor(box[:4]), float(box[4]))
            for p, box in zip(points or [], boxes if points else [], strict=True)
        )


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
