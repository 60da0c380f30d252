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


def transform_points(transform: Float[Tensor, "*n 2 3"], points: Float[Tensor, "*m 2"]) -> Float[Tensor, "*k 2"]:
    """The positions in the input of points of the output.

    Each of several transforms moves all points (N, 2), or its own set of the points (*n, N, 2).
    """
    transform = transform.to(points)
    return points @ transform[..., :2].mT + transform[..., None, :, 2]


def inverse(transform: Float[Tensor, "*n 2 3"]) -> Float[Tensor, "*n 2 3"]:
    """The transform from the input to the output."""
    (a, b, x), (c, d, y) = (row.unbind(-1) for row in transform.unbind(-2))
    determinant = a * d - b * c
    rows = ([d, -b, b * y - d * x], [-c, a, c * x - a * y])
    return torch.stack([torch.stack(row, -1) for row in rows], -2) / determinant[..., None, None]


def scale_of(transform: Float[Tensor, "2 3"]) -> float:
    """Input pixels per output pixel."""
    return float(torch.linalg.det(transform[:, :2].detach()).abs().sqrt())


def fit_similarity(source: Float[Tensor, "*m N 2"], target: Float[Tensor, "*n N 2"]) -> Float[Tensor, "*k 2 3"]:
    """The similarity transform without reflection that takes `source` to `target`, in least squares.

    With points as complex numbers it is t = a·s + b, and the least-squares solution for a is a quotient.
    """
    source, target = source.double(), target.double()
    from_, to = source.mean(-2, keepdim=True), target.mean(-2, keepdim=True)
    (s_x, s_y), (t_x, t_y) = (source - from_).unbind(-1), (target - to).unbind(-1)
    length = (s_x.square() + s_y.square()).sum(-1)
    cos, sin = (s_x * t_x + s_y * t_y).sum(-1) / length, (s_x * t_y - s_y * t_x).sum(-1) / length
    linear = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    return torch.cat([linear, (to - from_ @ linear.mT).mT], -1)


def resample(
    image: Float[Tensor, "N C H W"],
    transform: Float[Tensor, "*n 2 3"],
    size: int,
    outside: Literal["border", "zeros"] = "border",
    shrink: int | None = None,
) -> Float[Tensor, "N C S S"]:
    """The images under one transform, or each under its own, as size × size.

    Interpolation is bilinear. When an image shrinks, it is first averaged over boxes, so that nothing aliases. The
    result is differentiable in image and transform.

    outside  "border" repeats the image's edge beyond it, "zeros" makes it black
    shrink   side of a box, px; by default that of an output pixel under the (first) transform
    """
    centres = torch.arange(size, dtype=torch.float64, device=transform.device) + 0.5
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    places = transform_points(transform.double(), torch.stack([x, y], -1).view(-1, 2))
    positions = places.view(-1, size, size, 2)  # (1 or N, size, size, 2) input px
    factor = max(1, round(scale_of(transform.view(-1, 2, 3)[0]))) if shrink is None else shrink
    image, corner = _part_around(image, positions, 2 * factor)
    if factor > 1:
        height, width = image.shape[2:]
        image = F.avg_pool2d(F.pad(image, (0, -width % factor, 0, -height % factor), mode="replicate"), factor)
    x, y = (2 * (positions - corner) / factor).unbind(-1)
    grid = torch.stack([x / image.shape[3] - 1, y / image.shape[2] - 1], -1).to(image).expand(len(image), -1, -1, -1)
    return F.grid_sample(image, grid, align_corners=False, padding_mode=outside)


def _part_around(image: Tensor, positions: Float[Tensor, "n S S 2"], margin: int) -> tuple[Tensor, Tensor]:
    """The part of the image that holds the positions, and its top-left corner (x, y).

    With it a large photo costs no more than a small one. On a GPU it is the whole image, because reading the positions
    would have to wait for the GPU.
    """
    size = torch.tensor([image.shape[3], image.shape[2]])
    if not positions.is_cpu:
        return image, positions.new_zeros(2)
    low = (positions.amin((0, 1, 2)).floor().long() - margin).clamp(min=0).minimum(size - 1)
    high = (positions.amax((0, 1, 2)).ceil().long() + margin).clamp(min=1).minimum(size).maximum(low + 1)
    return image[:, :, low[1] : high[1], low[0] : high[0]], low
