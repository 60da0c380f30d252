"""Albedo given at the vertices, as the Basel models have it, baked into UV maps: Eq. 1 for them."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ganfit_nb.errors import GanfitError
from ganfit_nb.renderer import rasterize


class VertexTexture(nn.Module):
    """T(p_t) = m_t + U_t p_t at the vertices, spread linearly over the triangles of the UV map.

    Texels beside the surface repeat the nearest one on it, so that sampling at a seam finds skin.
    """

    mean: Tensor
    basis: Tensor
    corners: Tensor
    bary: Tensor

    def __init__(
        self,
        mean: Float[Tensor, "V 3"],
        basis: Float[Tensor, "t V 3"],
        faces: Int[Tensor, "F 3"],
        uv: Float[Tensor, "V 2"],
        size: int = 512,
    ) -> None:
        super().__init__()
        self.dim, self.size = len(basis), size
        corners, bary = _texels(faces, uv, size)
        for name, value in (("mean", mean), ("basis", basis), ("corners", corners), ("bary", bary)):
            self.register_buffer(name, value)

    def forward(self, p_t: Float[Tensor, " t"]) -> Float[Tensor, "H H 3"]:
        """The albedo map, display values in [0, 1]. GanfitError when p_t has another length than `dim`."""
        if p_t.shape != (self.dim,):
            raise GanfitError(f"This texture model takes {self.dim} coefficients, not {tuple(p_t.shape)}.")
        colours = self.mean + (p_t @ self.basis.flatten(1)).view(-1, 3)
        texels = (colours[self.corners] * self.bary[..., None]).sum(1)
        return texels.view(self.size, self.size, 3).clamp(0.0, 1.0)


def _texels(
    faces: Int[Tensor, "F 3"], uv: Float[Tensor, "V 2"], size: int
) -> tuple[Int[Tensor, "HH 3"], Float[Tensor, "HH 3"]]:
    """The surface point of every texel as a triangle's corners and weights; off the surface that of the nearest."""
    from scipy.ndimage import distance_transform_edt

    flat = torch.cat([uv * size, torch.full((len(uv), 1), 1000.0)], 1)  # the UV map seen as a picture
    fragments = rasterize(flat, faces, size)
    covered = (fragments.pix_to_face >= 0).numpy()
    row, column = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    number = np.cumsum(covered.ravel()).reshape(size, size) - 1  # of each covered texel among the covered ones
    nearest = torch.from_numpy(number[row, column].ravel())
    return fragments.corners[nearest], fragments.bary[nearest]
