"""The CPU rasteriser: compiled kernels under torch's autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from ganfit_nb.renderer import kernels
from ganfit_nb.renderer.camera import NEAR
from ganfit_nb.renderer.compiled import PARTS, in_parts
from ganfit_nb.renderer.normals_numba import vertex_normals
from ganfit_nb.renderer.phong_numba import phong
from ganfit_nb.renderer.texture_numba import sample_uv

__all__ = ["barycentric", "interpolate", "phong", "pix_to_face", "sample_uv", "vertex_normals"]


def pix_to_face(screen: Float[Tensor, "n V 3"], faces: Int[Tensor, "F 3"], size: int) -> Int[Tensor, "n H W"]:
    """The nearest face at every pixel centre, -1 for none; not differentiable. Faces nearer than NEAR are skipped."""
    planes = np.empty((len(faces), 12))
    boxes = np.empty((len(faces), 4), np.int32)
    nearest = np.empty((size, size), np.float32)
    result = np.empty((len(screen), size, size), np.int64)
    for view, picture in zip(screen, result, strict=True):
        in_parts(kernels.set_up_faces, view, faces, size, size, NEAR, planes, boxes)
        in_parts(kernels.fill, planes, boxes, nearest, picture)
    return torch.from_numpy(result)


def barycentric(
    screen: Float[Tensor, "V 3"], corners: Int[Tensor, "N 3"], pixels: Int[Tensor, " N"], width: int
) -> tuple[Float[Tensor, "N 3"], Float[Tensor, " N"]]:
    """Perspective-correct barycentric coordinates and depth of the pixels' centres on the triangles `corners`."""
    return _Barycentric.apply(screen, corners, pixels, width)


def interpolate(
    attributes: Float[Tensor, "V C"], corners: Int[Tensor, "N 3"], bary: Float[Tensor, "N 3"]
) -> Float[Tensor, "N C"]:
    """Attributes of vertices at points on triangles."""
    return _Interpolate.apply(attributes, corners, bary)


class _Barycentric(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, screen: Tensor, corners: Tensor, pixels: Tensor, width: int) -> tuple[Tensor, Tensor]:
        bary, depth = screen.new_empty(corners.shape), screen.new_empty(pixels.shape)
        in_parts(kernels.barycentric, screen, corners, pixels, width, bary, depth)
        ctx.save_for_backward(screen, corners, pixels)
        ctx.width = width
        return bary, depth

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_bary: Tensor, grad_depth: Tensor) -> tuple[Tensor, None, None, None]:
        screen, corners, pixels = ctx.saved_tensors
        grad_screen = screen.new_zeros((PARTS, *screen.shape))
        in_parts(kernels.barycentric_backward, screen, corners, pixels, ctx.width, grad_bary, grad_depth, grad_screen)
        return grad_screen.sum(0), None, None, None


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, attributes: Tensor, corners: Tensor, bary: Tensor) -> Tensor:
        values = attributes.new_empty((len(corners), attributes.shape[1]))
        in_parts(kernels.interpolate, attributes, corners, bary, values)
        ctx.save_for_backward(attributes, corners, bary)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_values: Tensor) -> tuple[Tensor, None, Tensor]:
        attributes, corners, bary = ctx.saved_tensors
        grad_attributes = attributes.new_zeros((PARTS, *attributes.shape))
        grad_bary = torch.empty_like(bary, memory_format=torch.contiguous_format)
        in_parts(kernels.interpolate_backward, attributes, corners, bary, grad_values, grad_attributes, grad_bary)
        return grad_attributes.sum(0), None, grad_bary
