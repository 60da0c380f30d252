"""Samples a photo where a texel may cover many of its pixels: a pyramid with trilinear lookups (Williams 1983)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

MARGIN = 16  # px that are kept around the part of the photo that is sampled


def prefiltered(
    photo: UInt8[Tensor, "H W 3"], places: Float[Tensor, "N 2"], footprint: Float[Tensor, " N"]
) -> Float[Tensor, "N 3"]:
    """The photo's colours in [0, 1] at places (px), each averaged over a square of about `footprint` px.

    A footprint below 1 magnifies: the lookup is bicubic.
    """
    part, places = _part(photo, places)
    level = footprint.clamp(min=1.0).log2().clamp(max=_deepest(part))
    colours = places.new_zeros(len(places), 3)
    for k in range(int(level.max().ceil()) + 1 if len(level) else 0):
        share = (1 - (level - k).abs()).clamp(min=0)  # of the two levels nearest to `level`
        chosen = share.nonzero()[:, 0]
        colours[chosen] += share[chosen, None] * _sampled(part, places[chosen] / 2**k)
        part = F.avg_pool2d(F.pad(part, (0, part.shape[3] % 2, 0, part.shape[2] % 2), mode="replicate"), 2)
    return colours.clamp(0.0, 1.0)  # a bicubic lookup overshoots


def _part(photo: Tensor, places: Tensor) -> tuple[Float[Tensor, "1 3 h w"], Float[Tensor, "N 2"]]:
    """The part of the photo that holds the places, so that a large photo costs no more than its face."""
    size = torch.tensor([photo.shape[1], photo.shape[0]])
    if not len(places):
        places = places.new_zeros(1, 2)
    low = (places.amin(0).floor().long() - MARGIN).clamp(min=0).minimum(size - 1)
    high = (places.amax(0).ceil().long() + MARGIN).clamp(min=1).minimum(size).maximum(low + 1)
    part = photo[low[1] : high[1], low[0] : high[0]].permute(2, 0, 1)[None].float() / 255
    return part, places - low


def _deepest(part: Float[Tensor, "1 3 h w"]) -> float:
    """The level at which the shorter side has four pixels left."""
    return max(0.0, torch.tensor(min(part.shape[2:]) / 4).log2().item())


def _sampled(part: Float[Tensor, "1 3 h w"], places: Float[Tensor, "n 2"]) -> Float[Tensor, "n 3"]:
    extent = places.new_tensor([part.shape[3], part.shape[2]])
    grid = (2 * places / extent - 1)[None, None]
    return F.grid_sample(part, grid, "bicubic", padding_mode="border", align_corners=False)[0, :, 0].T
