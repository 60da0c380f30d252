"""Simple textured meshes for tests and benchmarks of the renderer."""

import math

import numpy as np
import torch
import trimesh
from torch import Tensor


def egg(subdivisions: int = 4, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """An ellipsoid of a head's size: vertices (V, 3) mm, faces (F, 3) counter-clockwise from outside, uv (V, 2)."""
    sphere = trimesh.creation.icosphere(subdivisions=subdivisions)
    x, y, z = torch.tensor(np.array(sphere.vertices), dtype=dtype).unbind(1)
    uv = torch.stack([0.5 + torch.atan2(x, z) / (2 * math.pi), 0.5 - y.clamp(-1, 1).asin() / math.pi], 1)
    return torch.stack([75 * x, 105 * y, 90 * z], 1), torch.tensor(np.array(sphere.faces), dtype=torch.int64), uv


def two_eggs(subdivisions: int = 4, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """A small one in front of a large one, so that one surface has an outline against another."""
    vertices, faces, uv = egg(subdivisions, dtype)
    small = 0.35 * vertices + vertices.new_tensor([25.0, 20.0, 120.0])
    return torch.cat([vertices, small]), torch.cat([faces, faces + len(vertices)]), torch.cat([uv, uv])


def smooth_texture(size: int = 128, dtype: torch.dtype = torch.float32) -> Tensor:
    """A colourful map without edges, (size, size, 3)."""
    y, x = torch.meshgrid(*[torch.linspace(0, 1, size, dtype=dtype)] * 2, indexing="ij")
    return torch.stack(
        [0.5 + 0.4 * torch.sin(9 * x), 0.5 + 0.3 * torch.cos(7 * y), 0.4 + 0.2 * torch.sin(5 * x * y)], -1
    )
