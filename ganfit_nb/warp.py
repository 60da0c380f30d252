"""Similarity transforms of the image plane, and resampling an image under them.

A transform is a (2, 3) matrix that takes pixel positions of the output to pixel positions of the input (x right, y
down, centre of the top-left pixel at (0.5, 0.5)).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def square(centre: tuple[float, float], side: float, angle: float, size: int) -> Float[Tensor, "2 3"]:
    """The transform that cuts out a square of `side` px, turned clockwise by `angle` rad, as size × size."""
    cos, sin = math.cos(angle) * side / size, math.sin(angle) * side / size
    linear = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
    offset = torch.tensor(centre, dtype=torch.float64) - linear.sum(1) * size / 2
    return torch.cat([linear, offset[:, None]], 1)


def transform_points(transform: Float[Tensor, "2 3"], points: Float[Tensor, "*N 2"]) -> Float[Tensor, "*N 2"]:
    """The points of the output, in the input."""
    transform = transform.to(points)
    return points @ transform[:, :2].T + transform[:, 2]


def inverse(transform: Float[Tensor, "2 3"]) -> Float[Tensor, "2 3"]:
    """The transform from the input to the output."""
    linear = torch.linalg.inv(transform[:, :2])
    return torch.cat([linear, -linear @ transform[:, 2:]], 1)


def scale_of(transform: Float[Tensor, "2 3"]) -> float:
    """Input pixels per output pixel."""
    return float(torch.linalg.det(transform[:, :2].detach()).abs().sqrt())


def fit_similarity(source: Float[Tensor, "N 2"], target: Float[Tensor, "N 2"]) -> Float[Tensor, "2 3"]:
    """The similarity transform without reflection that takes `source` to `target`, in least squares.

    As complex numbers it is t = a·s + b, whose least-squares solution is a division.
    """
    source, target = source.double(), target.double()
    s, t = source - source.mean(0), target - target.mean(0)
    real, imaginary = (s * t).sum(), (s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum()
    cos, sin = real / s.square().sum(), imaginary / s.square().sum()
    linear = torch.stack([torch.stack([cos, -sin]), torch.stack([sin, cos])])
    return torch.cat([linear, (target.mean(0) - linear @ source.mean(0))[:, None]], 1)


def resample(
    image: Float[Tensor, "N C H W"],
    transform: Float[Tensor, "2 3"],
    size: int,
    outside: Literal["border", "zeros"] = "border",
) -> Float[Tensor, "N C S S"]:
    """The image under the transform, as size × size: bilinear, box-filtered first where it shrinks.

    Differentiable in the image and the transform. `outside`: what lies beyond the image, its replicated edge or black.
    """
    centres = torch.arange(size, dtype=torch.float64) + 0.5
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    positions = transform_points(transform.double(), torch.stack([x, y], -1))  # (size, size, 2) input px
    factor = max(1, round(scale_of(transform)))
    image, corner = _part_around(image, positions, 2 * factor)
    if factor > 1:
        height, width = image.shape[2:]
        image = F.avg_pool2d(F.pad(image, (0, -width % factor, 0, -height % factor), mode="replicate"), factor)
    extent = torch.tensor([image.shape[3], image.shape[2]], dtype=torch.float64)
    grid = (2 * (positions - corner) / factor / extent - 1).to(image).expand(len(image), -1, -1, -1)
    return F.grid_sample(image, grid, align_corners=False, padding_mode=outside)


def _part_around(image: Tensor, positions: Float[Tensor, "S S 2"], margin: int) -> tuple[Tensor, Tensor]:
    """The part of the image that holds the positions, and its top-left corner (x, y): a large photo costs no more."""
    size = torch.tensor([image.shape[3], image.shape[2]])
    low = (positions.amin((0, 1)).floor().long() - margin).clamp(min=0).minimum(size - 1)
    high = (positions.amax((0, 1)).ceil().long() + margin).clamp(min=1).minimum(size).maximum(low + 1)
    return image[:, :, low[1] : high[1], low[0] : high[0]], low
