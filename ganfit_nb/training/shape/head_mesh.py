"""The mesh of the 3DMM: the part of ICT-FaceKit's head that a camera in front of it can see, cut into charts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Bool, Int
from numpy import ndarray as Array

from ganfit_nb.renderer import render
from ganfit_nb.renderer.camera import orbit_camera
from ganfit_nb.renderer.lighting import frontal_light
from ganfit_nb.training.shape.anny_heads import in_front, without_spikes
from ganfit_nb.training.shape.facekit import EYE_SOCKETS, LEFT_SCLERA, RIGHT_SCLERA, FaceKit
from ganfit_nb.training.shape.parts import Part
from ganfit_nb.training.shape.subdivision import border_loops, border_smoothing

EYE_SCALE = 0.97  # the eyeballs shrink by this factor, so that the lids close over them
SWAP = {Part.LEFT_EYE: Part.RIGHT_EYE, Part.RIGHT_EYE: Part.LEFT_EYE}  # the part that each becomes in a mirror
# Faces with open mouths and eyes. Triangles that are hidden in all of them from all views are left out.
GRIMACES: tuple[dict[str, float], ...] = (
    {},
    {"jawOpen": 1.0},
    {"jawOpen": 0.5, "mouthSmile_L": 1.0, "mouthSmile_R": 1.0, "mouthLowerDown_L": 1.0, "mouthLowerDown_R": 1.0},
    {"jawOpen": 0.7, "mouthUpperUp_L": 1.0, "mouthUpperUp_R": 1.0, "mouthFunnel": 0.6},
    {"mouthUpperUp_L": 1.0, "mouthUpperUp_R": 1.0, "mouthLowerDown_L": 1.0, "mouthLowerDown_R": 1.0},
    {"eyeLookOut_L": 1.0, "eyeLookIn_R": 1.0, "eyeWide_L": 1.0, "eyeWide_R": 1.0},
    {"eyeLookUp_L": 1.0, "eyeLookUp_R": 1.0, "eyeLookIn_L": 0.5, "eyeLookOut_R": 0.5},
    {"eyeLookDown_L": 1.0, "eyeLookDown_R": 1.0},
    {"mouthStretch_L": 1.0, "mouthStretch_R": 1.0, "jawOpen": 0.3, "eyeWide_L": 1.0, "eyeWide_R": 1.0},
)
YAWS, PITCHES = (-0.9, -0.45, 0.0, 0.45, 0.9), (-0.35, 0.0, 0.35)
SIZE, DISTANCE, ZOOM = 768, 600.0, 1.6


@dataclass(frozen=True)
class HeadMesh:
    """Topology of the model. It has one vertex for each (vertex of FaceKit, part, half of the mouth) that occurs.

    source     (V,) the vertex of FaceKit
    faces      (F, 3)
    parts      (V,) Part
    left       (V,) whether the vertex belongs to the left half of the mouth
    mirror     (V,)
    positions  (V, 26719) linear map from FaceKit's vertices; it smooths the border and shrinks the eyeballs
    """

    source: Int[Array, " V"]
    faces: Int[Array, "F 3"]
    parts: Int[Array, " V"]
    left: Bool[Array, " V"]
    mirror: Int[Array, " V"]
    positions: sp.csr_matrix

    @property
    def socket(self) -> Bool[Array, " V"]:
        """The vertices of the eye sockets, behind the lids."""
        return (self.source >= EYE_SOCKETS[0]) & (self.source < EYE_SOCKETS[1])


def build_head_mesh(kit: FaceKit) -> HeadMesh:
    """Crops the head, leaves out triangles that are never visible, and cuts the charts apart."""
    skin = kit.parts == Part.SKIN
    wanted = ~skin | without_spikes(kit.faces, skin & in_front(kit.mean - kit.eye_centre)[kit.faces].all(1))
    wanted &= _seen(kit) | (skin & ~_behind(kit))
    faces, parts = kit.faces[wanted], kit.parts[wanted]
    left = (kit.mean[faces].mean(1)[:, 0] > 0) & (parts >= Part.MOUTH)  # the mouth is cut along the midline
    key = np.stack([np.repeat(parts, 3), np.repeat(left, 3), faces.ravel()], 1)
    charts, corner = np.unique(key, axis=0, return_inverse=True)
    part, half, source = charts.T
    index = {(int(p), int(h), int(v)): k for k, (p, h, v) in enumerate(charts)}
    mirror = np.array([index[_mirrored(p, h, kit.mirror[v])] for p, h, v in charts])
    cropped = faces[parts == Part.SKIN]
    smooth = border_smoothing(cropped, border_loops(cropped)[0], len(kit.mean), rounds=6)
    return HeadMesh(
        source, corner.reshape(-1, 3), part, half == 1, mirror, sp.csr_matrix((smooth @ _eyeballs(kit))[source])
    )


def _mirrored(part: int, left: int, source: int) -> tuple[int, int, int]:
    inside = part >= Part.MOUTH
    return int(SWAP.get(Part(part), part)), int(inside and not left), int(source)


def _behind(kit: FaceKit) -> Bool[Array, " F"]:
    """The triangles of the eye sockets."""
    return kit.faces.max(1) >= EYE_SOCKETS[0]


def _eyeballs(kit: FaceKit) -> sp.csr_matrix:
    """(V, V) map that shrinks each eyeball about its centre."""
    count = len(kit.mean)
    result = sp.identity(count, format="lil")
    for first, end in (LEFT_SCLERA, RIGHT_SCLERA):
        result[first:end, first:end] = EYE_SCALE * np.eye(end - first) + (1 - EYE_SCALE) / (end - first)
    return result.tocsr()


def _seen(kit: FaceKit) -> Bool[Array, " F"]:
    """The triangles that are visible in one of the grimaces from one of the views, and their mirror images.

    Outside the mouth their neighbours belong to them, too.
    """
    seen = np.zeros(len(kit.faces), bool)
    faces, texture = torch.from_numpy(np.ascontiguousarray(kit.faces)), torch.full((1, 1, 3), 0.5)
    for grimace in GRIMACES:
        shape = kit.mean + sum((w * kit.expression[name] for name, w in grimace.items()), np.zeros(3))
        vertices = torch.from_numpy(shape).float()
        for yaw, pitch in product(YAWS, PITCHES):
            camera = orbit_camera(yaw, pitch, DISTANCE)
            camera[6] *= ZOOM
            picture = render(vertices, faces, vertices[:, :2], texture, camera, frontal_light(), SIZE)
            found = picture.fragments.pix_to_face.unique().numpy()
            seen[found[found >= 0]] = True
    touched = np.zeros(len(kit.mean), bool)
    touched[kit.faces[seen]] = True
    touched |= touched[kit.mirror]
    inside = kit.parts >= Part.MOUTH
    return np.where(inside, touched[kit.faces].all(1), touched[kit.faces].any(1))
