"""The UV layout for painters: the surface point under every texel, and a chart in millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.geometry.islands import islands
from ganfit_nb.renderer.compiled import compiled

# The index that each of the 68 iBUG points has in a mirror image.
MIRROR_68 = np.concatenate(
    [
        np.arange(16, -1, -1),
        np.arange(26, 16, -1),
        [27, 28, 29, 30, 35, 34, 33, 32, 31],
        [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40],
        [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65],
    ]
)


@compiled
@no_type_check
def _rasterize(corners: ndarray, faces: ndarray, size: int, slack: float) -> tuple[ndarray, ndarray]:
    """The triangle over each texel centre (-1 for none), and the centre's barycentric coordinates in it.

    Where triangles overlap the last one counts.
    """
    index = np.full((size, size), -1, np.int64)
    bary = np.zeros((size, size, 3), np.float32)
    for f in range(len(faces)):
        ax, ay = corners[faces[f, 0]] * size
        bx, by = corners[faces[f, 1]] * size
        cx, cy = corners[faces[f, 2]] * size
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9:
            continue
        for r in range(max(0, int(min(ay, by, cy) - 1)), min(size - 1, int(max(ay, by, cy) + 1)) + 1):
            for c in range(max(0, int(min(ax, bx, cx) - 1)), min(size - 1, int(max(ax, bx, cx) + 1)) + 1):
                x, y = c + 0.5, r + 0.5
                w0 = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                w1 = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                w2 = 1.0 - w0 - w1
                if w0 >= -slack and w1 >= -slack and w2 >= -slack:
                    index[r, c] = f
                    bary[r, c, 0], bary[r, c, 1], bary[r, c, 2] = w0, w1, w2
    return index, bary


@compiled
@no_type_check
def _nearest_filled(filled: ndarray) -> ndarray:
    """For each texel, the flat index of a filled texel near it.

    Two sweeps over the map pass the nearest one that was found on to the neighbours.
    """
    height, width = filled.shape
    source = np.full((height, width), -1, np.int64)
    best = np.full((height, width), 1e18)
    for r in range(height):
        for c in range(width):
            if filled[r, c]:
                source[r, c], best[r, c] = r * width + c, 0.0
    for sweep in range(4):
        down = 1 if sweep % 2 == 0 else -1
        for i in range(height):
            r = i if down == 1 else height - 1 - i
            for j in range(width):
                c = j if down == 1 else width - 1 - j
                for dr in range(-1, 2):
                    for dc in range(-1, 2):
                        y, x = r + dr, c + dc
                        if 0 <= y < height and 0 <= x < width and source[y, x] >= 0:
                            s = source[y, x]
                            distance = (s // width - r) ** 2 + (s % width - c) ** 2
                            if distance < best[r, c]:
                                best[r, c], source[r, c] = distance, s
    return source


@dataclass(frozen=True)
class UvLayout:
    """The surface under each texel of an H×H UV map.

    index      triangle under the texel centre; by dilation every texel has one
    bary       barycentric coordinates of the centre in this triangle
    covered    whether the texel lies on the surface; the others were filled by dilation
    position   surface point of the mean face, mm
    chart      the layout in millimetres, x to the right, y down; distances are correct on the front of the face
    landmarks  the 68 points in the chart, mm, mirror symmetric
    eyes       (centre mm, mask of texels) of the eyeball on the image's left and of the one on its right
    lid        edge of the lids on the image's right in the chart, mm, from the inner corner over the upper lid
    mouth      texels of the mouth's interior, and all others that are neither skin nor eyeball
    """

    index: Int[ndarray, "H H"]
    bary: Float[ndarray, "H H 3"]
    covered: Bool[ndarray, "H H"]
    position: Float[ndarray, "H H 3"]
    chart: Float[ndarray, "H H 2"]
    scale: Float[ndarray, " 2"]
    landmarks: Float[ndarray, "68 2"]
    eyes: tuple[tuple[Float[ndarray, " 3"], Bool[ndarray, "H H"]], ...]
    lid: Float[ndarray, "K 2"]
    mouth: Bool[ndarray, "H H"]
    faces: Int[ndarray, "F 3"]

    @property
    def size(self) -> int:
        """The number of texels on a side."""
        return self.index.shape[0]

    def interpolate(self, attributes: Float[ndarray, "V C"]) -> Float[ndarray, "H H C"]:
        """Interpolates an attribute of the vertices at every texel."""
        return np.einsum("hwk,hwkc->hwc", self.bary, attributes[self.faces[self.index]])

    @classmethod
    def of(cls, model: MorphableModel, size: int) -> UvLayout:
        """The layout of a morphable model at `size`×`size` texels."""
        vertices, faces, uv = model.mean.numpy(), model.faces.numpy(), model.uv.numpy()
        marks = model.landmarks.on(model.uv).numpy()
        return cls.build(vertices, faces, uv, marks, size)

    @classmethod
    def build(
        cls,
        vertices: Float[ndarray, "V 3"],
        faces: Int[ndarray, "F 3"],
        uv: Float[ndarray, "V 2"],
        landmark_uv: Float[ndarray, "68 2"],
        size: int,
    ) -> UvLayout:
        """The layout of a mesh (mm) with one UV per vertex and the UVs of its 68 landmarks."""
        index, bary = _rasterize(uv.astype(np.float64), faces, size, 1e-6)
        covered = index >= 0
        near = _nearest_filled(covered)
        index, bary = index.ravel()[near], bary.reshape(-1, 3)[near]
        position = np.einsum("hwk,hwkc->hwc", bary, vertices[faces[index]]).astype(np.float32)
        scale = _millimetres_per_unit(uv, vertices, faces, landmark_uv)
        texel = (np.arange(size) + 0.5) / size
        chart = np.stack(np.meshgrid((texel - 0.5) * scale[0], texel * scale[1]), axis=-1).astype(np.float32)
        marks = (landmark_uv - np.array([0.5, 0.0])) * scale
        marks = 0.5 * (marks + marks[MIRROR_68] * np.array([-1.0, 1.0]))
        label = islands(faces, len(vertices))
        piece = label[faces[index][..., 0]]
        eyes = tuple(_eyeball(vertices, label, piece, side) for side in (-1.0, 1.0))
        mouth = (piece != np.bincount(label).argmax()) & ~eyes[0][1] & ~eyes[1][1]
        margin = _lid_margin(vertices, faces, uv, eyes[1][0], label == piece[eyes[1][1]][0])
        lid = (margin - np.array([0.5, 0.0])) * scale
        return cls(index, bary, covered, position, chart, scale, marks, eyes, lid, mouth, faces)


def _millimetres_per_unit(uv: ndarray, vertices: ndarray, faces: ndarray, landmark_uv: ndarray) -> Float[ndarray, " 2"]:
    """The length in mm of a unit of u and of v: the median over triangles around nose, eyes and mouth."""
    low, high = landmark_uv[17:].min(axis=0), landmark_uv[17:].max(axis=0)
    centres = uv[faces].mean(axis=1)
    near = faces[((centres > low) & (centres < high)).all(axis=1)]
    edges = np.stack([uv[near[:, 1]] - uv[near[:, 0]], uv[near[:, 2]] - uv[near[:, 0]]], axis=1)
    sides = np.stack([vertices[near[:, 1]] - vertices[near[:, 0]], vertices[near[:, 2]] - vertices[near[:, 0]]], axis=1)
    sound = np.abs(np.linalg.det(edges)) > 1e-9
    jacobian = np.linalg.solve(edges[sound], sides[sound])
    return np.median(np.linalg.norm(jacobian, axis=2), axis=0)


def _eyeball(
    vertices: ndarray, label: ndarray, texel_piece: ndarray, side: float
) -> tuple[Float[ndarray, " 3"], Bool[ndarray, "H H"]]:
    """The centre and the texels of the eyeball on one side.

    It is the piece of the mesh on that side that resembles a sphere most.
    """
    best, found, centre = np.inf, -1, np.zeros(3)
    for piece in np.unique(label):
        points = vertices[label == piece]
        if side * points[:, 0].min() <= 0 or side * points[:, 0].max() <= 0:
            continue
        fit = np.linalg.lstsq(np.c_[2 * points, np.ones(len(points))], (points**2).sum(axis=1), rcond=None)[0]
        distance = np.linalg.norm(points - fit[:3], axis=1)
        if 8.0 < distance.mean() < 18.0 and distance.std() / distance.mean() < min(best, 0.15):
            best, found, centre = distance.std() / distance.mean(), piece, fit[:3]
    return centre, texel_piece == found


def _lid_margin(
    vertices: ndarray, faces: ndarray, uv: ndarray, centre: ndarray, eyeball: Bool[ndarray, " V"]
) -> Float[ndarray, "K 2"]:
    """The UV of the skin that borders on the eyeball when seen from the front, sorted by angle.

    A border of the mesh does not show where the lid ends, because the skin continues behind the lid into the socket.
    """
    side, window, bins = 256, 44.0, 40  # px of the picture, mm that it shows, points of the outline
    picture = np.stack([vertices[:, 0] - centre[0], centre[1] - vertices[:, 1]], axis=1) / window + 0.5
    order = faces[np.argsort(vertices[faces, 2].mean(axis=1))]  # nearer triangles come later, and cover those before
    index, bary = _rasterize(picture, order, side, 1e-6)
    ball = (index >= 0) & eyeball[order[index][..., 0]]
    near = ball.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            near |= np.roll(ball, step, axis=axis)
    rim = near & ~ball & (index >= 0)
    points = np.einsum("nk,nkc->nc", bary[rim], uv[order[index[rim]]])
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    # Angles run from the inner corner (left) over the upper lid (v falls) to the outer corner, and back below.
    angle = np.arctan2(-(points[:, 1] - middle[1]), middle[0] - points[:, 0])
    angle = np.mod(angle, 2 * np.pi)
    order_of = np.argsort(angle)
    at = 2 * np.pi * np.arange(bins) / bins
    radius = np.hypot(*(points - middle).T)[order_of]
    radius = np.interp(at, angle[order_of], radius, period=2 * np.pi)
    radius = (np.roll(radius, 1) + 2 * radius + np.roll(radius, -1)) / 4
    return middle + radius[:, None] * np.stack([-np.cos(at), -np.sin(at)], axis=1)
