"""The inside of the mouth in a UV map: teeth, gums and tongue have one painted albedo, whoever the person is.

A texture model learns skin. What it would draw in the two bottom corners of the map, where the mouth's islands lie, is
replaced.
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
WIDTH, HEIGHT = 9 / 64, 8 / 64  # of each corner, in sides of the map; the skin's outline leaves so much room


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
    """The maps with the inside of the mouth painted into their bottom corners. A new tensor; the rest keeps its
    gradient."""
    side = albedo.shape[-2]
    corner = beside(_corner(side), albedo)
    height, width = corner.shape[:2]
    painted = albedo.clone()
    painted[..., side - height :, :width, :] = corner
    painted[..., side - height :, side - width :, :] = corner.flip(1)
    return painted
