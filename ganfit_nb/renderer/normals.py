"""Vertex normals in plain torch."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def vertex_normals(vertices: Float[Tensor, "*n V 3"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, "*n V 3"]:
    """Sum of the normals of the faces around each vertex, weighted by area; not of unit length.

    They point to where a face's vertices run counter-clockwise. A vertex without faces gets 0.
    """
    a, b, c = (vertices.index_select(-2, faces[:, k]) for k in range(3))
    face_normals = torch.linalg.cross(b - a, c - a)
    normals = torch.zeros_like(vertices)
    for k in range(3):
        normals = normals.index_add(vertices.dim() - 2, faces[:, k], face_normals)
    return normals
