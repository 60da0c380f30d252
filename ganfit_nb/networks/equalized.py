"""Layers of a progressive GAN (Karras et al., ICLR 2018, Sec. 4): equalised learning rate and pixel normalisation.

Channels come last, (N, H, W, C), in every layer and function here.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganfit_nb.blur import high_pass

NEGATIVE_SLOPE = 0.2  # of leaky ReLU


class EqualizedLinear(nn.Module):
    """A fully connected layer, or a 1×1 convolution of images.

    Weights are stored with unit variance and scaled by He's constant at run time. So Adam changes all layers at the
    same relative rate.
    """

    def __init__(self, inputs: int, outputs: int, gain: float = math.sqrt(2.0)) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = gain / math.sqrt(inputs)

    def forward(self, x: Float[Tensor, "... I"]) -> Float[Tensor, "... O"]:
        """x Wᵀ + b."""
        return F.linear(x, self.weight * self.scale, self.bias)


class EqualizedConv(nn.Module):
    """A 3×3 convolution with zero padding, scaled at run time like `EqualizedLinear`."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3).contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = math.sqrt(2.0 / (9 * inputs))

    def forward(self, x: Float[Tensor, "N H W I"]) -> Float[Tensor, "N H W O"]:
        """The convolution, at the same resolution."""
        return F.conv2d(x.permute(0, 3, 1, 2), self.weight * self.scale, self.bias, padding=1).permute(0, 2, 3, 1)


def pixel_norm(x: Float[Tensor, "N H W C"]) -> Float[Tensor, "N H W C"]:
    """Scales the feature vector of every texel to unit mean square, so that signals cannot escalate."""
    return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + 1e-8)


def leaky_relu(x: Tensor) -> Tensor:
    """The activation of both networks."""
    return F.leaky_relu(x, NEGATIVE_SLOPE)


def upsample(x: Float[Tensor, "N h w C"], mode: str) -> Float[Tensor, "N H W C"]:
    """Doubles the resolution; `mode` is "nearest" or "bilinear"."""
    return F.interpolate(x.permute(0, 3, 1, 2), scale_factor=2.0, mode=mode).permute(0, 2, 3, 1)


def downsample(x: Float[Tensor, "N H W C"]) -> Float[Tensor, "N h w C"]:
    """Halves the resolution by averaging 2×2 texels."""
    return F.avg_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def finest_octave(x: Float[Tensor, "N H W C"]) -> Float[Tensor, "N H W C"]:
    """`blur.high_pass` of images with their channels last."""
    return high_pass(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
