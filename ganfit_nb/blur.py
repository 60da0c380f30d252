"""Gaussian blur, and a high-pass filter."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def gaussian_blur(image: Float[Tensor, "C H W"], sigma: float) -> Float[Tensor, "C H W"]:
    """The image, blurred with a standard deviation of `sigma` pixels. Beyond the image its edge is repeated."""
    reach = max(1, int(3 * sigma + 0.5))
    kernel = torch.exp(
        -torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device).square() / (2 * sigma**2 + 1e-9)
    )
    kernel = (kernel / kernel.sum()).view(1, 1, -1, 1)
    channels = F.pad(image[:, None], (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(channels, kernel), kernel.mT)[:, 0]


def high_pass(image: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
    """The part that is lost at half the resolution: the finest level of a Laplacian pyramid (Burt & Adelson 1983)."""
    return image - F.interpolate(F.avg_pool2d(image, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
