"""The values of a UV map at points of it."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def sample_uv(texture: Float[Tensor, "H W 3"], uv: Float[Tensor, "V 2"]) -> Float[Tensor, "V 3"]:
    """Bilinear texture values at UV points (u right, v down, texel (r, c) centred at ((c+.5)/W, (r+.5)/H))."""
    grid = (2.0 * uv - 1.0)[None, None]
    sampled = F.grid_sample(
        texture.permute(2, 0, 1)[None], grid.to(texture), padding_mode="border", align_corners=False
    )
    return sampled[0, :, 0].T
