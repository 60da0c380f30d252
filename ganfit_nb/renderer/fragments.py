"""What a rasteriser found: for every pixel the face it shows and where on that face it lies.

Pictures of several views lie behind each other: pixels and vertices are counted through all of them, so that what
follows the rasteriser does not know how many views there are.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

NO_ROOM = -2  # stands at every pixel of `pix_to_face` when a GPU had no room for what is to be drawn


@dataclass(frozen=True)
class Fragments:
    """PyTorch3D's Fragments with one face a pixel, of one view or several, stored for the covered pixels only.

    On a GPU the list has as many rows as the pictures have pixels, and some are unused (`lists.py`). An unused row
    belongs to a pixel after the last one, and its corners and numbers mean nothing.

    pix_to_face  (*n, H, W) index of the nearest face, -1 in the background
    pixels       (N,)   the covered pixels, (view · H + row) · W + column, ascending; n · H · W for an unused row
    corners      (N, 3) vertex indices, view · V + vertex, of the face each of them shows
    bary         (N, 3) perspective-correct barycentric coordinates of the pixel centre; differentiable
    depth        (N,)   depth of that point along the view, mm; differentiable
    """

    pix_to_face: Int[Tensor, "*n H W"]
    pixels: Int[Tensor, " N"]
    corners: Int[Tensor, "N 3"]
    bary: Float[Tensor, "N 3"]
    depth: Float[Tensor, " N"]

    @property
    def bary_coords(self) -> Float[Tensor, "*n H W 3"]:
        """Barycentric coordinates as an image, -1 in the background."""
        return self.image(self.bary, -1.0)

    @property
    def zbuf(self) -> Float[Tensor, "*n H W"]:
        """Depth as an image in mm, -1 in the background."""
        return self.image(self.depth[:, None], -1.0)[..., 0]

    def image(self, values: Float[Tensor, "N C"], background: float = 0.0) -> Float[Tensor, "*n H W C"]:
        """Values of the covered pixels as an image."""
        empty = values.new_full((self.pix_to_face.numel() + 1, values.shape[1]), background)
        return empty.index_copy(0, self.pixels, values)[:-1].view(*self.pix_to_face.shape, -1)
