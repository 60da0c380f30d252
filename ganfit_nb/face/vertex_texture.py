"""The linear texture model of Eq. 1 with its albedo at the vertices, as in the Basel models. It is drawn as UV maps."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ganfit_nb.face.morphable import SurfacePoints
from ganfit_nb.face.texture import COARSEST, map_side, require_length
from ganfit_nb.renderer import rasterize

FINEST = 512  # texels a side, as the other texture models have


class VertexTexture(nn.Module):
    """T(p_t) = m_t + U_t p_t at the vertices, interpolated linearly over the triangles of the UV map.

    Texels beside the surface repeat the nearest texel on it, so that sampling at a seam finds skin.

    resolution  side of the maps, texels
    """

    mean: Tensor
    basis: Tensor
    faces: Tensor
    uv: Tensor
    corners: Tensor
    bary: Tensor

    def __init__(
        self,
        mean: Float[Tensor, "V 3"],
        basis: Float[Tensor, "t V 3"],
        faces: Int[Tensor, "F 3"],
        uv: Float[Tensor, "V 2"],
        resolution: int = FINEST,
    ) -> None:
        super().__init__()
        self.dim, self.resolution = len(basis), resolution
        corners, bary = (texels.to(mean.device) for texels in _texels(faces.cpu(), uv.cpu(), resolution))
        given = {"mean": mean, "basis": basis, "faces": faces, "uv": uv}
        for name, value in (given | {"corners": corners, "bary": bary}).items():
            self.register_buffer(name, value)

    def forward(self, p_t: Float[Tensor, "*n t"]) -> Float[Tensor, "*n H H 3"]:
        """The albedo map, display values in [0, 1]. Raises GanfitError when p_t has another length than `dim`."""
        require_length(p_t, self.dim)
        colours = self.mean + (p_t @ self.basis.flatten(1)).unflatten(-1, (-1, 3))
        texels = SurfacePoints(self.corners, self.bary).on(colours)
        return texels.unflatten(-2, (self.resolution, self.resolution)).clamp(0.0, 1.0)

    def modes(self, p_t: Float[Tensor, " t"]) -> Float[Tensor, "t h w 3"]:
        """U_t at COARSEST² texels. It does not depend on p_t."""
        coarse = self.at(COARSEST)
        texels = SurfacePoints(coarse.corners, coarse.bary).on(self.basis)
        return texels.unflatten(-2, (coarse.resolution, coarse.resolution))

    def at(self, size: int) -> VertexTexture:
        """The same model with maps of at least `size` texels a side, at most FINEST. The colours are shared."""
        side = map_side(size, FINEST)
        return self if side == self.resolution else VertexTexture(self.mean, self.basis, self.faces, self.uv, side)


def _texels(
    faces: Int[Tensor, "F 3"], uv: Float[Tensor, "V 2"], size: int
) -> tuple[Int[Tensor, "HH 3"], Float[Tensor, "HH 3"]]:
    """The surface point of each texel: the corners of its triangle, and their weights.

    A texel off the surface has the point of the nearest texel on it.
    """
    from scipy.ndimage import distance_transform_edt

    flat = torch.cat([uv * size, torch.full((len(uv), 1), 1000.0)], 1)  # the UV map seen as a picture
    fragments = rasterize(flat, faces, size)
    covered = (fragments.pix_to_face >= 0).numpy()
    row, column = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    number = np.cumsum(covered.ravel()).reshape(size, size) - 1  # index of each covered texel among them
    nearest = torch.from_numpy(number[row, column].ravel())
    return fragments.corners[nearest], fragments.bary[nearest]
