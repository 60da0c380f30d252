"""`normals.vertex_normals` compiled for the CPU."""

from __future__ import annotations

from typing import Any, no_type_check

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from ganfit_nb.renderer.compiled import PARTS, compiled, in_parts


def vertex_normals(vertices: Float[Tensor, "*n V 3"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, "*n V 3"]:
    """See `normals.vertex_normals`, which this equals."""
    return _VertexNormals.apply(vertices, faces)


class _VertexNormals(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vertices: Tensor, faces: Tensor) -> Tensor:
        ctx.save_for_backward(vertices, faces)
        meshes = vertices.reshape(-1, *vertices.shape[-2:])
        normals = vertices.new_zeros((PARTS, *meshes.shape))
        in_parts(_sum_normals, meshes, faces, normals)
        return normals.sum(0).view(vertices.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_normals: Tensor) -> tuple[Tensor, None]:
        vertices, faces = ctx.saved_tensors
        meshes = vertices.reshape(-1, *vertices.shape[-2:])
        grad_vertices = vertices.new_zeros((PARTS, *meshes.shape))
        in_parts(_sum_normals_backward, meshes, faces, grad_normals.reshape(meshes.shape), grad_vertices)
        return grad_vertices.sum(0).view(vertices.shape), None


@compiled
@no_type_check
def _sum_normals(part, parts, meshes, faces, normals):
    count = len(faces)
    for m in range(len(meshes)):
        vertices, total = meshes[m], normals[part, m]
        for f in range(part * count // parts, (part + 1) * count // parts):
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            for k in range(3):  # component k of (b - a) × (c - a)
                i, j = (k + 1) % 3, (k + 2) % 3
                n = (vertices[b, i] - vertices[a, i]) * (vertices[c, j] - vertices[a, j])
                n -= (vertices[b, j] - vertices[a, j]) * (vertices[c, i] - vertices[a, i])
                total[a, k] += n
                total[b, k] += n
                total[c, k] += n


@compiled
@no_type_check
def _sum_normals_backward(part, parts, meshes, faces, grad_normals, grad_vertices):
    count = len(faces)
    for m in range(len(meshes)):
        vertices, given, grad = meshes[m], grad_normals[m], grad_vertices[part, m]
        for f in range(part * count // parts, (part + 1) * count // parts):
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            for k in range(3):
                i, j = (k + 1) % 3, (k + 2) % 3
                g_i = given[a, i] + given[b, i] + given[c, i]
                g_j = given[a, j] + given[b, j] + given[c, j]
                # g · (p × q) has the gradient q × g to p and g × p to q
                to_b = (vertices[c, i] - vertices[a, i]) * g_j - (vertices[c, j] - vertices[a, j]) * g_i
                to_c = (vertices[b, j] - vertices[a, j]) * g_i - (vertices[b, i] - vertices[a, i]) * g_j
                grad[b, k] += to_b
                grad[c, k] += to_c
                grad[a, k] -= to_b + to_c
