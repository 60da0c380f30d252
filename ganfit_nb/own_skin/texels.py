"""The point of the surface under every texel of the UV map."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.geometry.islands import islands
from ganfit_nb.renderer import Fragments, rasterize, vertex_normals
from ganfit_nb.renderer.rasterize import backend


@dataclass(frozen=True)
class Texels:
    """N texels of a side × side map that lie on the surface, in the order of the map's rows.

    fragments  the triangle under each texel's centre, and where in the triangle the centre lies
    uv_area    the area of each triangle of the mesh in the map, in texels
    """

    side: int
    faces: Int[Tensor, "F 3"]
    fragments: Fragments
    uv_area: Float[Tensor, " F"]

    @classmethod
    def of(cls, model: MorphableModel, side: int) -> Texels:
        """Rasterises the UV chart as if it were a picture: all of it lies at one depth."""
        chart = torch.cat([model.uv * side, torch.full((len(model.uv), 1), 1e3)], 1)
        return cls(side, model.faces, rasterize(chart, model.faces, side), triangle_areas(chart[:, :2], model.faces))

    def where(self, attribute: Float[Tensor, " V"]) -> Texels:
        """Those texels at which an attribute of the vertices is above 0."""
        kept, whole = self.on(attribute[:, None])[:, 0] > 0, self.fragments
        parts = (part[kept] for part in (whole.pixels, whole.corners, whole.bary, whole.depth))
        return replace(self, fragments=Fragments(whole.pix_to_face, *parts))

    def __len__(self) -> int:
        return len(self.fragments.pixels)

    @property
    def face(self) -> Int[Tensor, " N"]:
        """The triangle under each texel."""
        return self.fragments.pix_to_face.view(-1)[self.fragments.pixels]

    @property
    def covered(self) -> Bool[Tensor, "side side"]:
        """The texels of the whole map that lie on the surface."""
        return self.fragments.pix_to_face >= 0

    def on(self, attributes: Float[Tensor, "V C"]) -> Float[Tensor, "N C"]:
        """Attributes of the vertices at the texels."""
        return backend(attributes.device).interpolate(attributes, self.fragments.corners, self.fragments.bary)

    def normals(self, vertices: Float[Tensor, "V 3"]) -> Float[Tensor, "N 3"]:
        """Unit normals of a shape (mm) at the texels."""
        return F.normalize(self.on(vertex_normals(vertices, self.faces)), dim=1)

    def skin(self, model: MorphableModel) -> Bool[Tensor, "side side"]:
        """Those of them that show the largest connected piece of the mesh; the others are of eyes and mouth."""
        piece = islands(model.faces.numpy(), len(model.mean))
        largest = torch.from_numpy((piece == np.bincount(piece).argmax())[model.faces[:, 0].numpy()])
        return largest[self.fragments.pix_to_face] & self.covered

    def read(self, image: Float[Tensor, "side side C"]) -> Float[Tensor, "N C"]:
        """The values of a map at the texels."""
        return image.flatten(0, 1)[self.fragments.pixels]

    def image(self, values: Float[Tensor, "N C"]) -> Float[Tensor, "side side C"]:
        """Values of the texels as a map, 0 beside the surface."""
        return self.fragments.image(values)


def triangle_areas(points: Float[Tensor, "V 2"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, " F"]:
    """The areas of triangles in the plane, whatever their winding."""
    a, b, c = points[faces].unbind(1)
    (x1, y1), (x2, y2) = (b - a).unbind(1), (c - a).unbind(1)
    return (x1 * y2 - x2 * y1).abs() / 2
