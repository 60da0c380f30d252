"""Layers of progressive GANs (Karras et al., ICLR 2018, Sec. 4): equalised learning rate and pixel normalisation."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky rectifier


class EqualizedLinear(nn.Module):
    """A dense layer, or a 1×1 convolution of pictures whose channels come last. Weights are stored with unit variance
    and scaled by He's constant at run time, so that Adam moves every layer at the same relative pace."""

    def __init__(self, inputs: int, outputs: int, gain: float = math.sqrt(2.0)) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = gain / math.sqrt(inputs)

    def forward(self, x: Float[Tensor, "... I"]) -> Float[Tensor, "... O"]:
        """x Wᵀ + b."""
        return F.linear(x, self.weight * self.scale, self.bias)


class EqualizedConv(nn.Module):
    """A 3×3 convolution with zero padding and the same run-time scaling, channels last."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3).contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = math.sqrt(2.0 / (9 * inputs))

    def forward(self, x: Float[Tensor, "N H W I"]) -> Float[Tensor, "N H W O"]:
        """The convolution, same size."""
        return F.conv2d(x.permute(0, 3, 1, 2), self.weight * self.scale, self.bias, padding=1).permute(0, 2, 3, 1)


def pixel_norm(x: Float[Tensor, "N H W C"]) -> Float[Tensor, "N H W C"]:
    """Every texel's feature vector scaled to unit mean square, so that signals cannot escalate."""
    return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + 1e-8)


def enlarge(x: Float[Tensor, "N h w C"], mode: str) -> Float[Tensor, "N H W C"]:
    """Twice the side, "nearest" or "bilinear"."""
    return F.interpolate(x.permute(0, 3, 1, 2), scale_factor=2.0, mode=mode).permute(0, 2, 3, 1)


def halve(x: Float[Tensor, "N H W C"]) -> Float[Tensor, "N h w C"]:
    """Half the side, by area averages."""
    return F.avg_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def rectify(x: Tensor) -> Tensor:
    """The leaky rectifier of both networks."""
    return F.leaky_relu(x, SLOPE)
