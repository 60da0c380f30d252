"""Where a photo is in focus: its finest detail beside the next coarser one.

In a sharp picture of a natural scene the contrast is about the same in every octave of frequency (Field 1987). A blur
takes it away from the finest octaves first.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.blur import gaussian_blur, high_pass

NOISE = 2e-3  # of the luminance; detail fainter than this tells nothing
WINDOW = 1 / 24  # of the picture's side, over which detail is compared


def sharpness(luminance: Float[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    """The contrast of the finest octave of a picture as a share of that of the next, around every pixel.

    It is about 1 where the picture is sharp or has no detail at all, and near 0 where it is blurred or was enlarged.
    """
    height, width = luminance.shape
    even = F.pad(luminance[None, None], (0, -width % 4, 0, -height % 4), mode="replicate")
    half = F.avg_pool2d(even, 2)
    sigma = WINDOW * min(height, width)
    fine = gaussian_blur(F.avg_pool2d(high_pass(even).square(), 2)[0], sigma / 2)
    coarse = gaussian_blur(high_pass(half).square()[0], sigma / 2)
    share = ((fine + NOISE**2) / (coarse + NOISE**2)).sqrt()
    return F.interpolate(share[None], even.shape[2:], mode="bilinear", align_corners=False)[0, 0, :height, :width]
