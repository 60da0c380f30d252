"""The mesh of anny's 3DMM: the cropped head, subdivided in the face, cut into charts and unwrapped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array
from scipy.spatial import cKDTree

from ganfit_nb.training.shape.anny_heads import BaseMesh
from ganfit_nb.training.shape.parts import Part
from ganfit_nb.training.shape.subdivision import Subdivision, border_loops, border_smoothing, loop_subdivision
from ganfit_nb.training.skin.uv_unwrap import EYE_ANGLE, unwrap_eye, unwrap_mouth_half, unwrap_skin

EYE_SCALE = 0.97
MOUTH_PULL = 0.5  # share of the way to the lips by which the deep parts of the mouth's interior are moved


@dataclass(frozen=True)
class TemplateMesh:
    """Topology and layout of the model; positions come from `positions @ base vertices`.

    faces         (F, 3)
    positions     (V, B) linear map from the base mesh's vertices
    uv            (V, 2) this project's layout, v down
    makehuman_uv  (V, 2) MakeHuman's texture coordinates, v up; on the backs of the eyeballs and on the lid margins
                  they are continued from neighbours
    parts         (V,) Part
    mirror        (V,)
    eccentricity  (V,) 0 in the middle of the face, about 1 at its outline, more on ears, scalp and neck; inf inside
                  eyes and mouth and behind the lids
    """

    faces: Int[Array, "F 3"]
    positions: sp.csr_matrix
    uv: Float[Array, "V 2"]
    makehuman_uv: Float[Array, "V 2"]
    parts: Int[Array, " V"]
    mirror: Int[Array, " V"]
    eccentricity: Float[Array, " V"]

    @property
    def face_region(self) -> Bool[Array, " V"]:
        """The vertices of the face without ears, scalp, neck, eyes and mouth."""
        return self.eccentricity < 1.1


def build_template_mesh(head: BaseMesh) -> TemplateMesh:
    """Smooths the border, subdivides, splits the charts' seams and lays out the UV map."""
    faces, parts = _without_backs_of_eyes(head)
    count = len(head.vertices)
    skin = faces[parts == Part.SKIN]
    even = _repairs(head) @ border_smoothing(skin, border_loops(skin)[0], count, rounds=6)
    base = even @ head.vertices
    fine = loop_subdivision(faces, count, _face_proper(base, faces, parts))
    smooth = sp.csr_matrix(fine.smooth @ even)
    vertices = smooth @ head.vertices
    skin_uv = unwrap_skin(base, skin, head.mirror, _texel_share(base, skin, _eye_centre(head)))
    return _split_charts(head, fine, parts[fine.parent], smooth, vertices, fine.linear @ skin_uv)


def _eye_centre(head: BaseMesh) -> Float[Array, " 3"]:
    eyes = np.isin(head.parts, [Part.LEFT_EYE, Part.RIGHT_EYE])
    return np.asarray(head.vertices[np.unique(head.faces[eyes])].mean(0))


def _repairs(head: BaseMesh) -> sp.csr_matrix:
    """(V, V) map that shrinks the eyeballs a little, so that closing lids cover them, and makes the mouth shallower."""
    result = sp.identity(len(head.vertices))
    members = {part: np.unique(head.faces[head.parts == part]) for part in Part}
    for part in (Part.LEFT_EYE, Part.RIGHT_EYE):
        ball = members[part]
        result = _pull(ball, ball, np.full(len(ball), 1 - EYE_SCALE), len(head.vertices)) @ result
    lips = np.intersect1d(members[Part.SKIN], members[Part.MOUTH])
    inside = np.setdiff1d(members[Part.MOUTH], lips)
    depth = cKDTree(head.vertices[lips]).query(head.vertices[inside])[0]
    return _pull(inside, lips, MOUTH_PULL * np.minimum(depth / 20.0, 1.0), len(head.vertices)) @ result


def _pull(moved: Array, towards: Array, amount: Array, count: int) -> sp.csr_matrix:
    """A linear map that moves vertices by a share of the way to the mean of other vertices."""
    keep = np.ones(count)
    keep[moved] -= amount
    rows, columns = np.repeat(moved, len(towards)), np.tile(towards, len(moved))
    mean = sp.coo_matrix((np.repeat(amount / len(towards), len(towards)), (rows, columns)), shape=(count, count))
    return sp.csr_matrix(sp.diags(keep) + mean)


def _without_backs_of_eyes(head: BaseMesh) -> tuple[Array, Array]:
    keep = np.ones(len(head.faces), bool)
    for part in (Part.LEFT_EYE, Part.RIGHT_EYE):
        eye = np.flatnonzero(head.parts == part)
        offset = head.vertices - head.vertices[np.unique(head.faces[eye])].mean(0)
        angle = np.arctan2(np.linalg.norm(offset[:, :2], axis=1), offset[:, 2])
        keep[eye] = (angle[head.faces[eye]] <= EYE_ANGLE).all(1)
    return head.faces[keep], head.parts[keep]


def _face_proper(vertices: Array, faces: Array, parts: Array) -> Array:
    """The triangles that are subdivided: the front of the face and the eyeballs."""
    eyes = np.isin(parts, [Part.LEFT_EYE, Part.RIGHT_EYE])
    centre = vertices[np.unique(faces[eyes])].mean(0)
    _, y, z = (vertices[faces].mean(1) - centre).T
    return eyes | ((parts == Part.SKIN) & (z > -65) & (y < 55))


def eccentricity_of(points: Float[Array, "n 3"], eye_centre: Float[Array, " 3"]) -> Float[Array, " n"]:
    """The distance from the middle of the face, about 1 at its outline. Points are in mm."""
    x, y, z = (points - eye_centre).T
    return np.sqrt((x / 70) ** 2 + ((y + 30) / 85) ** 2 + (np.minimum(z, 0) / 80) ** 2)


def _texel_share(vertices: Array, skin: Array, eye_centre: Array) -> Float[Array, " F"]:
    """The wanted size of each triangle in the UV map, relative to its size on the head.

    It is 1 on the face, and less towards ears and scalp and behind the lids.
    """
    share = np.clip(1.9 - 0.9 * eccentricity_of(vertices[skin].mean(1), eye_centre), 0.28, 1.0)
    share[np.isin(skin, _behind_lids(skin)).any(1)] = 0.3
    return share


def _behind_lids(skin: Int[Array, "F 3"]) -> Int[Array, " n"]:
    """Vertices of the inner rims of the eye openings (the two shortest border loops) and the row next to them."""
    rims = np.concatenate(border_loops(skin)[-2:])
    return np.unique(skin[np.isin(skin, rims).any(1)])


def _split_charts(
    head: BaseMesh, fine: Subdivision, parts: Array, smooth: sp.csr_matrix, vertices: Array, skin_uv: Array
) -> TemplateMesh:
    """One vertex per (position, chart): the mouth's interior is cut off at the lips and along the midline."""
    left = vertices[fine.faces].mean(1)[:, 0] > 0
    chart = np.where(parts == Part.MOUTH, Part.MOUTH + left, parts)  # two charts of the mouth: right half, left half
    pairs, corner = np.unique(np.stack([np.repeat(chart, 3), fine.faces.ravel()], 1), axis=0, return_inverse=True)
    vertex_chart, vertex = pairs.T
    part = np.minimum(vertex_chart, Part.MOUTH)
    makehuman = np.stack([fine.linear @ head.makehuman_uv[:, p] for p in Part], 1)[vertex, part]
    uv = np.array(skin_uv[vertex])
    for eye in (Part.LEFT_EYE, Part.RIGHT_EYE):
        chosen = vertex_chart == eye
        uv[chosen] = unwrap_eye(vertices[vertex[chosen]], eye == Part.LEFT_EYE)
    for half in (0, 1):
        chosen = vertex_chart == Part.MOUTH + half
        uv[chosen] = unwrap_mouth_half(makehuman[chosen], left=bool(half))
    swap = np.array([Part.SKIN, Part.RIGHT_EYE, Part.LEFT_EYE, Part.MOUTH + 1, Part.MOUTH])
    index = {(int(c), int(v)): k for k, (c, v) in enumerate(pairs)}
    opposite = _fine_mirror(vertices, head, fine)
    mirror = np.array([index[int(swap[c]), int(opposite[v])] for c, v in pairs])
    uv = (uv + uv[mirror] * [-1, 1] + [1, 0]) / 2
    eccentricity = eccentricity_of(vertices[vertex], _eye_centre(head))
    hidden = np.zeros(len(head.vertices))
    hidden[_behind_lids(head.faces[head.parts == Part.SKIN])] = 1.0
    eccentricity[(part != Part.SKIN) | ((fine.linear @ hidden)[vertex] > 0.4)] = np.inf
    return TemplateMesh(corner.reshape(-1, 3), sp.csr_matrix(smooth[vertex]), uv, makehuman, part, mirror, eccentricity)


def _fine_mirror(vertices: Array, head: BaseMesh, fine: Subdivision) -> Int[Array, " V"]:
    """Mirror of each fine vertex: that of a coarse one is known, that of a midpoint follows from its two ends."""
    count = len(head.vertices)
    ends = fine.linear[count:].indices.reshape(-1, 2)
    table = {tuple(sorted(pair)): count + k for k, pair in enumerate(ends.tolist())}
    middles = [table[tuple(sorted(head.mirror[pair].tolist()))] for pair in ends]
    return np.concatenate([head.mirror, middles])
