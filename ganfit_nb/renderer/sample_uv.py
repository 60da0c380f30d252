"""The values of UV maps at points of them."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def sample_uv(
    textures: Float[Tensor, "n H W C"], uv: Float[Tensor, "N 2"], view: Int[Tensor, " N"]
) -> Float[Tensor, "N C"]:
    """Bilinear values at UV points (u right, v down, texel (r, c) centred at ((c+.5)/W, (r+.5)/H)), each on the map of
    its view; beyond the outermost centres the border's.

    It does not use `grid_sample`, which knows no forward mode.
    """
    _, height, width, channels = textures.shape
    x, y = uv[:, 0] * width - 0.5, uv[:, 1] * height - 0.5
    x, y = x.clamp(0.0, width - 1.0), y.clamp(0.0, height - 1.0)
    left, top = x.detach().long(), y.detach().long()
    right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
    texels = textures.reshape(-1, channels)

    def at(row: Tensor, column: Tensor) -> Tensor:
        return texels.index_select(0, (view * height + row) * width + column)

    dx, dy = (x - left)[:, None], (y - top)[:, None]
    above = torch.lerp(at(top, left), at(top, right), dx)
    below = torch.lerp(at(bottom, left), at(bottom, right), dx)
    return torch.lerp(above, below, dy)
