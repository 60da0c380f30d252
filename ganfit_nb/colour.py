"""Lightness and colour differences."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.constants import beside

# Y'CbCr of ITU-R BT.601 without offsets: rows give R, G, B from luma and the two colour differences.
RGB_FROM_YCC = torch.tensor([[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]])
YCC_FROM_RGB = torch.linalg.inv(RGB_FROM_YCC)


def rgb_from_ycc(ycc: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """R, G, B of luma and the two colour differences."""
    return ycc @ beside(RGB_FROM_YCC, ycc).T


def ycc_from_rgb(rgb: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """Luma and the two colour differences of R, G, B."""
    return rgb @ beside(YCC_FROM_RGB, rgb).T
