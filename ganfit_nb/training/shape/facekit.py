"""Reads ICT-FaceKit's light model (Li et al. 2020, MIT), which the shipped 3DMM is made of.

Its identity shapes are the principal components of light-stage scans of people, in standard deviations. Its expression
shapes follow the Facial Action Coding System and have ARKit's names. Its gaze shapes move only the lids; here they turn
the eyeballs, too. Lengths are in mm, +x to the subject's left, +y up, +z out of the face.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array
from scipy.spatial import cKDTree

from ganfit_nb.errors import GanfitError
from ganfit_nb.model_files.ict_facekit import VERTICES, read_ict_facekit, shape_names
from ganfit_nb.model_files.model_file import BLENDSHAPE_SD
from ganfit_nb.training.shape.parts import Part

MILLIMETRES = 10.0  # in its unit, the centimetre
TURN = 0.037  # radians about x; turn and shift bring its mean face into the canonical face mesh's frame
SHIFT = (0.0, -5.65, -55.94)  # mm, after the turn
# Ranges of its vertices, from its README.
FACE, HEAD, MOUTH_SOCKET = (0, 9_409), (9_409, 11_248), (11_248, 13_294)
EYE_SOCKETS, GUMS, TEETH = (13_294, 14_062), (14_062, 17_039), (17_039, 21_451)
LOWER_TEETH = (19_247, 21_451)
EYEBALLS = (21_451, 24_591)
LEFT_SCLERA, RIGHT_SCLERA = (21_451, 22_221), (23_021, 23_791)  # the irises lie inside and are not visible


# Angles in radians of a fully turned eye from straight ahead: to either side, up and down.
TO_THE_SIDE, UPWARDS, DOWNWARDS = 0.55, 0.4, 0.5
NO_AREA = 1e-4  # mm²; smaller triangles are removed, because a few quads have two corners in one place


RANGES = {
    Part.SKIN: (FACE, HEAD, EYE_SOCKETS),
    Part.LEFT_EYE: (LEFT_SCLERA,),
    Part.RIGHT_EYE: (RIGHT_SCLERA,),
    Part.MOUTH: (MOUTH_SOCKET, GUMS),
    Part.UPPER_TEETH: ((TEETH[0], LOWER_TEETH[0]),),
    Part.LOWER_TEETH: (LOWER_TEETH,),
}


@dataclass(frozen=True)
class FaceKit:
    """The whole model in our frame; V = 26,719 vertices.

    mean        (V, 3) mm, mirror symmetric to 0.1 mm
    faces       (F, 3) triangles, mirror symmetric, wound counter-clockwise seen from outside
    parts       (F,) Part of each triangle
    mirror      (V,) the mirror image of each vertex
    identity    (100, V, 3) mm per standard deviation
    expression  from a name in the Facial Action Coding System's terms to (V, 3) mm, for the action fully on
    """

    mean: Float[Array, "V 3"]
    faces: Int[Array, "F 3"]
    parts: Int[Array, " F"]
    mirror: Int[Array, " V"]
    identity: Float[Array, "S V 3"]
    expression: dict[str, Float[Array, "V 3"]]

    @classmethod
    def read(cls, folder: Path) -> FaceKit:
        """Reads the folder FaceXModel of the public repository. Raises GanfitError when it holds another mesh."""
        file = read_ict_facekit(folder)
        if len(file.mean) != VERTICES:
            raise GanfitError(f"{folder} has {len(file.mean)} vertices; give ICT-FaceKit's own FaceXModel.")
        cosine, sine = np.cos(TURN), np.sin(TURN)
        turn = np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]]) * MILLIMETRES
        shapes = file.expression @ turn / BLENDSHAPE_SD
        mean = file.mean @ turn + SHIFT
        mirror = _mirror(mean)
        faces = _symmetric(mean, file.faces, mirror)
        parts = np.full(len(faces), -1)
        for part, ranges in RANGES.items():
            inside = np.isin(np.arange(VERTICES), np.concatenate([np.arange(*limits) for limits in ranges]))
            # The socket shares its border with the lips. So a triangle belongs to the part of its last vertex.
            parts[inside[faces.max(1)]] = part
        corners = mean[faces]
        flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        kept = (parts >= 0) & (np.linalg.norm(flat, axis=1) > NO_AREA)
        expression = dict(zip(shape_names(folder)[1], shapes, strict=True))
        for name, turning in _gaze(mean).items():
            expression[name] = expression[name] + turning
        return cls(mean, faces[kept], parts[kept], mirror, file.identity @ turn, expression)

    @cached_property
    def eye_centre(self) -> Float[Array, " 3"]:
        """The middle between the eyeballs."""
        return np.mean([self.mean[slice(*limits)].mean(0) for limits in (LEFT_SCLERA, RIGHT_SCLERA)], axis=0)


def _mirror(mean: Float[Array, "V 3"]) -> Int[Array, " V"]:
    """The mirror image of each vertex.

    It is searched in the same range of vertices, because vertices of two parts coincide where the parts meet.
    """
    mirror = np.arange(len(mean))
    for first, end in (FACE, HEAD, MOUTH_SOCKET, EYE_SOCKETS, GUMS, TEETH, EYEBALLS):
        points = mean[first:end]
        mirror[first:end] = first + cKDTree(points).query(points * [-1, 1, 1])[1]
    return mirror


def _gaze(mean: Float[Array, "V 3"]) -> dict[str, Float[Array, "V 3"]]:
    """The displacement that the turned eyeball adds to each gaze shape.

    It is the linear part of the rotation, because Eq. 2 is linear.
    """
    turns: dict[str, Float[Array, "V 3"]] = {}
    for side, limits, outwards in (("L", LEFT_SCLERA, 1.0), ("R", RIGHT_SCLERA, -1.0)):
        offset = np.zeros_like(mean)
        offset[slice(*limits)] = mean[slice(*limits)] - mean[slice(*limits)].mean(0)
        sideways, lift = np.cross([0, 1, 0], offset), np.cross([-1, 0, 0], offset)
        turns |= {
            f"eyeLookOut_{side}": outwards * TO_THE_SIDE * sideways,
            f"eyeLookIn_{side}": -outwards * TO_THE_SIDE * sideways,
            f"eyeLookUp_{side}": UPWARDS * lift,
            f"eyeLookDown_{side}": -DOWNWARDS * lift,
        }
    return turns


def _symmetric(mean: Float[Array, "V 3"], faces: Int[Array, "F 3"], mirror: Int[Array, " V"]) -> Int[Array, "F 3"]:
    """The left half of the triangles and its mirror image.

    The original triangulation is not symmetric, because it cuts quads in the same direction on both sides.
    """
    left: Bool[Array, " F"] = mean[faces].mean(1)[:, 0] > 0
    return np.concatenate([faces[left], mirror[faces[left]][:, ::-1]])
