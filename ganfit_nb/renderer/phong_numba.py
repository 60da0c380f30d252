"""`lighting.phong` compiled for the CPU: one pass over the points forward, one backward.

As separate torch operations it takes more time than everything else in the renderer together.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from ganfit_nb.renderer.compiled import PARTS, compiled, in_parts
from ganfit_nb.renderer.lighting import SHININESS, SPECULAR, TINY

CONSTANTS = (TINY, SPECULAR, SHININESS)  # arguments of the kernels: compiled code that is kept would not see a change


def phong(
    albedo: Float[Tensor, "n 3"],
    normals: Float[Tensor, "n 3"],
    positions: Float[Tensor, "n 3"],
    eyes: Float[Tensor, "v 3"],
    lights: Float[Tensor, "v 9"],
    view: Int[Tensor, " n"],
) -> Float[Tensor, "n 3"]:
    """`lighting.phong` of points that each belong to a view, with the view's eye and light."""
    return _Phong.apply(albedo, normals, positions, torch.cat([eyes, lights], 1), view)


class _Phong(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, albedo: Tensor, normals: Tensor, positions: Tensor, scenes: Tensor, view: Tensor) -> Tensor:
        ctx.save_for_backward(albedo, normals, positions, scenes, view)
        colours = torch.empty(albedo.shape, dtype=albedo.dtype)
        in_parts(_shade, *CONSTANTS, albedo, normals, positions, scenes, view, colours)
        return colours

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_colours: Tensor) -> tuple[Tensor | None, ...]:
        grads = [torch.empty(tensor.shape, dtype=tensor.dtype) for tensor in ctx.saved_tensors[:3]]
        grad_scenes = torch.zeros((PARTS, *ctx.saved_tensors[3].shape), dtype=torch.float64)
        in_parts(_shade_backward, *CONSTANTS, *ctx.saved_tensors, grad_colours, *grads, grad_scenes)
        return *grads, grad_scenes.sum(0).to(grad_colours), None


@compiled
@no_type_check
def _shade(part, parts, tiny, k_s, power, albedo, normals, positions, scenes, view, colours):
    """A scene is eye, light position, light colour, ambient colour (3 each)."""
    count = len(albedo)
    for i in range(part * count // parts, (part + 1) * count // parts):
        scene = scenes[view[i]]
        nn = nl = ne = ll = ee = le = 0.0
        for k in range(3):
            n, to_l, to_e = normals[i, k], scene[3 + k] - positions[i, k], scene[k] - positions[i, k]
            nn += n * n
            nl += n * to_l
            ne += n * to_e
            ll += to_l * to_l
            ee += to_e * to_e
            le += to_l * to_e
        by_n, by_l, by_e = 1.0 / np.sqrt(nn + tiny), 1.0 / np.sqrt(ll + tiny), 1.0 / np.sqrt(ee + tiny)
        n_l = nl * by_n * by_l
        r_v = 2.0 * n_l * ne * by_n * by_e - le * by_l * by_e
        diffuse = max(n_l, 0.0)
        specular = k_s * max(r_v, 0.0) ** power * diffuse
        for k in range(3):
            colours[i, k] = albedo[i, k] * (scene[9 + k] + scene[6 + k] * diffuse) + scene[6 + k] * specular


@compiled
@no_type_check
def _shade_backward(
    part,
    parts,
    tiny,
    k_s,
    power,
    albedo,
    normals,
    positions,
    scenes,
    view,
    grad_colours,
    grad_albedo,
    grad_normals,
    grad_positions,
    grad_scenes,
):
    """Gradient to the points, and to the scenes in this part's own rows of `grad_scenes`."""
    count = len(albedo)
    for i in range(part * count // parts, (part + 1) * count // parts):
        scene, total = scenes[view[i]], grad_scenes[part, view[i]]
        nn = nl = ne = ll = ee = le = 0.0
        for k in range(3):
            n, to_l, to_e = normals[i, k], scene[3 + k] - positions[i, k], scene[k] - positions[i, k]
            nn += n * n
            nl += n * to_l
            ne += n * to_e
            ll += to_l * to_l
            ee += to_e * to_e
            le += to_l * to_e
        by_n, by_l, by_e = 1.0 / np.sqrt(nn + tiny), 1.0 / np.sqrt(ll + tiny), 1.0 / np.sqrt(ee + tiny)
        n_l, n_e, l_e = nl * by_n * by_l, ne * by_n * by_e, le * by_l * by_e
        r_v = 2.0 * n_l * n_e - l_e
        diffuse, lobe = max(n_l, 0.0), k_s * max(r_v, 0.0) ** power
        g_specular = g_diffuse = 0.0
        for k in range(3):
            g, light = grad_colours[i, k], scene[6 + k]
            grad_albedo[i, k] = g * (scene[9 + k] + light * diffuse)
            total[6 + k] += g * (albedo[i, k] * diffuse + lobe * diffuse)
            total[9 + k] += g * albedo[i, k]
            g_specular += g * light
            g_diffuse += g * light * albedo[i, k]
        g_r_v = g_specular * diffuse * k_s * power * max(r_v, 0.0) ** (power - 1)
        g_n_l = 2.0 * n_e * g_r_v
        if n_l > 0.0:
            g_n_l += g_diffuse + g_specular * lobe
        g_n_e, g_l_e = 2.0 * n_l * g_r_v, -g_r_v
        # d(a·b)/da = (b - (a·b) a) / |a| for unit vectors; here n, u to the light, v to the eye
        for k in range(3):
            n = normals[i, k] * by_n
            u, v = (scene[3 + k] - positions[i, k]) * by_l, (scene[k] - positions[i, k]) * by_e
            grad_normals[i, k] = by_n * (g_n_l * (u - n_l * n) + g_n_e * (v - n_e * n))
            to_light = by_l * (g_n_l * (n - n_l * u) + g_l_e * (v - l_e * u))
            to_eye = by_e * (g_n_e * (n - n_e * v) + g_l_e * (u - l_e * v))
            grad_positions[i, k] = -to_light - to_eye
            total[k] += to_eye
            total[3 + k] += to_light
