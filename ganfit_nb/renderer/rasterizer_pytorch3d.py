"""The rasteriser of PyTorch3D (Ravi et al. 2020) for CUDA; what follows it is plain torch.

PyTorch3D decides which face each pixel shows. Barycentric coordinates are then computed here, as for the other
rasterisers: they equal PyTorch3D's perspective-correct ones and carry the same gradient.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
from pytorch3d.structures import Meshes
from torch import Tensor

from ganfit_nb.renderer.camera import NEAR
from ganfit_nb.renderer.rasterizer_torch import barycentric, interpolate, phong, sample_uv, vertex_normals

__all__ = ["barycentric", "interpolate", "phong", "pix_to_face", "sample_uv", "vertex_normals"]


@torch.no_grad()
def pix_to_face(screen: Float[Tensor, "n V 3"], faces: Int[Tensor, "F 3"], size: int) -> Int[Tensor, "n H W"]:
    """The nearest face at every pixel centre, -1 for none; not differentiable. Faces nearer than NEAR are skipped: all
    their corners become one, so they cover nothing.

    PyTorch3D's own screen runs from 1 at the left and top edges of a square picture to -1 at the right and bottom, and
    it counts faces through all meshes.
    """
    own = torch.cat([1 - screen[..., :2] * (2 / size), screen[..., 2:]], 2)
    near = screen[..., 2][:, faces].amin(2, keepdim=True) <= NEAR  # (n, F, 1)
    drawn = torch.where(near, faces[:, :1], faces)
    found = rasterize_meshes(
        Meshes(own, drawn),
        image_size=size,
        blur_radius=0.0,
        faces_per_pixel=1,
        perspective_correct=True,
        cull_backfaces=False,
    )[0][..., 0]
    return torch.where(found >= 0, found % len(faces), found)
