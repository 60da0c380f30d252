"""The rasteriser where derivatives run forward: in plain torch but for `grid_sample`, which does not know that mode."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.renderer.rasterizer_torch import barycentric, interpolate, phong, pix_to_face, vertex_normals

__all__ = ["barycentric", "interpolate", "phong", "pix_to_face", "sample_uv", "vertex_normals"]


def sample_uv(texture: Float[Tensor, "H W C"], uv: Float[Tensor, "N 2"]) -> Float[Tensor, "N C"]:
    """See `texture.sample_uv`, which this equals."""
    height, width, _ = texture.shape
    x, y = (uv * uv.new_tensor([width, height]) - 0.5).unbind(1)
    x, y = x.clamp(0.0, width - 1.0), y.clamp(0.0, height - 1.0)
    left, top = x.detach().long(), y.detach().long()
    right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
    dx, dy = (x - left)[:, None], (y - top)[:, None]
    above = torch.lerp(texture[top, left], texture[top, right], dx)
    below = torch.lerp(texture[bottom, left], texture[bottom, right], dx)
    return torch.lerp(above, below, dy)
