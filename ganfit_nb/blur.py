"""Gaussian blur."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def gaussian_blur(image: Float[Tensor, "C H W"], sigma: float) -> Float[Tensor, "C H W"]:
    """The image blurred by `sigma` pixels, its edge replicated."""
    reach = math.ceil(3 * sigma)
    kernel = torch.exp(-torch.arange(-reach, reach + 1).to(image).square() / (2 * sigma**2 + 1e-9))
    kernel = (kernel / kernel.sum()).view(1, 1, -1, 1)
    channels = F.pad(image[:, None], (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(channels, kernel), kernel.mT)[:, 0]
