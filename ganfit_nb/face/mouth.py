"""Paints the inside of the mouth into albedo maps. Teeth, gums and tongue have the same albedo for every person.

A texture model learns skin alone. The islands of the mouth lie in the two bottom corners of the map, so whatever the
model draws there is replaced.
"""

from __future__ import annotations

from functools import cache

import torch.nn.functional as F
from jaxtyping import Float, UInt8
from safetensors.torch import load_file
from torch import Tensor

from ganfit_nb.assets import shipped
from ganfit_nb.constants import beside

ASSET = "mouth_albedo.safetensors"
WIDTH, HEIGHT = 9 / 64, 8 / 64  # size of each corner, as a share of the map's side; the skin's island leaves this room


@cache
def mouth_albedo() -> UInt8[Tensor, "h w 3"]:
    """The bottom left corner of the map, which shows the subject's right half."""
    with shipped(ASSET) as path:
        return load_file(path)["albedo"]


@cache
def _corner(side: int) -> Float[Tensor, "h w 3"]:
    """The same corner of a map of this side."""
    picture = mouth_albedo().float().permute(2, 0, 1)[None] / 255
    return F.interpolate(picture, (round(HEIGHT * side), round(WIDTH * side)), mode="area")[0].permute(1, 2, 0)


def with_mouth(albedo: Float[Tensor, "*n H W 3"]) -> Float[Tensor, "*n H W 3"]:
    """New maps with the inside of the mouth in their bottom corners. All other texels keep their gradient."""
    side = albedo.shape[-2]
    corner = beside(_corner(side), albedo)
    height, width = corner.shape[:2]
    painted = albedo.clone()
    painted[..., side - height :, :width, :] = corner
    painted[..., side - height :, side - width :, :] = corner.flip(1)
    return painted
