"""`sample_uv.sample_uv` compiled for the CPU, where grid_sample's backward pass costs as much as rasterising."""

from __future__ import annotations

from typing import Any, no_type_check

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from ganfit_nb.renderer.compiled import compiled, in_parts


def sample_uv(
    textures: Float[Tensor, "n H W C"], uv: Float[Tensor, "N 2"], view: Int[Tensor, " N"]
) -> Float[Tensor, "N C"]:
    """See `sample_uv.sample_uv`, which this equals."""
    return _SampleUv.apply(textures, uv, view)


class _SampleUv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, textures: Tensor, uv: Tensor, view: Tensor) -> Tensor:
        ctx.save_for_backward(textures, uv, view)
        values = torch.empty((len(uv), textures.shape[3]), dtype=textures.dtype)
        in_parts(_sample, textures, uv, view, values)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_values: Tensor) -> tuple[Tensor, Tensor, None]:
        textures, uv, view = ctx.saved_tensors
        grad_textures = torch.empty(textures.shape, dtype=textures.dtype)
        grad_uv = torch.empty(uv.shape, dtype=uv.dtype)
        in_parts(_sample_backward, textures, uv, view, grad_values, grad_textures, grad_uv)
        return grad_textures, grad_uv, None


@compiled
@no_type_check
def _sample(part, parts, textures, uv, view, values):
    """Bilinear, texel centres at half numbers, clamped to the outermost centres."""
    _, height, width, channels = textures.shape
    count = len(uv)
    for i in range(part * count // parts, (part + 1) * count // parts):
        texture = textures[view[i]]
        x = min(max(uv[i, 0] * width - 0.5, 0.0), width - 1.0)
        y = min(max(uv[i, 1] * height - 0.5, 0.0), height - 1.0)
        left, top = int(x), int(y)
        right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
        dx, dy = x - left, y - top
        for k in range(channels):
            above = texture[top, left, k] * (1.0 - dx) + texture[top, right, k] * dx
            below = texture[bottom, left, k] * (1.0 - dx) + texture[bottom, right, k] * dx
            values[i, k] = above * (1.0 - dy) + below * dy


@compiled
@no_type_check
def _sample_backward(part, parts, textures, uv, view, grad_values, grad_textures, grad_uv):
    """This part's share of the points for `grad_uv`, its band of rows for `grad_textures`."""
    _, height, width, channels = textures.shape
    count = len(uv)
    for i in range(part * count // parts, (part + 1) * count // parts):
        texture = textures[view[i]]
        u, v = uv[i, 0] * width - 0.5, uv[i, 1] * height - 0.5
        x, y = min(max(u, 0.0), width - 1.0), min(max(v, 0.0), height - 1.0)
        left, top = int(x), int(y)
        right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
        dx, dy = x - left, y - top
        g_u = g_v = 0.0
        for k in range(channels):
            across_top = texture[top, right, k] - texture[top, left, k]
            across_bottom = texture[bottom, right, k] - texture[bottom, left, k]
            down_left = texture[bottom, left, k] - texture[top, left, k]
            down_right = texture[bottom, right, k] - texture[top, right, k]
            g_u += grad_values[i, k] * (across_top * (1.0 - dy) + across_bottom * dy)
            g_v += grad_values[i, k] * (down_left * (1.0 - dx) + down_right * dx)
        grad_uv[i, 0] = g_u * width if u == x else 0.0
        grad_uv[i, 1] = g_v * height if v == y else 0.0

    first, end = part * height // parts, (part + 1) * height // parts
    grad_textures[:, first:end] = 0.0
    for i in range(count):
        y = min(max(uv[i, 1] * height - 0.5, 0.0), height - 1.0)
        top = int(y)
        bottom = min(top + 1, height - 1)
        if bottom < first or top >= end:
            continue
        grad_texture = grad_textures[view[i]]
        x = min(max(uv[i, 0] * width - 0.5, 0.0), width - 1.0)
        left = int(x)
        right = min(left + 1, width - 1)
        dx, dy = x - left, y - top
        for row, share in ((top, 1.0 - dy), (bottom, dy)):
            if first <= row < end:
                for k in range(channels):
                    g = grad_values[i, k] * share
                    grad_texture[row, left, k] += g * (1.0 - dx)
                    grad_texture[row, right, k] += g * dx
