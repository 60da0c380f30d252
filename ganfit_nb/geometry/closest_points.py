"""Finds the nearest points on a triangle mesh."""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from ganfit_nb.renderer.compiled import compiled, in_parts

CANDIDATES = 16  # triangles that are tested for each point: those with the nearest centres
CHUNK = 10_000  # points that are searched at a time, in about 100 MB


class ClosestPoints(NamedTuple):
    """Points on a mesh that are nearest to some given points.

    corners   the corners of the triangle that each lies in
    bary      its barycentric coordinates there
    distance  its distance from the given point
    """

    corners: Int[Array, "L 3"]
    bary: Float[Array, "L 3"]
    distance: Float[Array, " L"]

    def on(self, values: Float[Array, "*b V d"]) -> Float[Array, "*b L d"]:
        """Values of the mesh's vertices, interpolated at the points."""
        return (values[..., self.corners, :] * self.bary[..., None]).sum(-2)


class ClosestPointSearch:
    """Searches one mesh for nearest points. What the search needs is computed once.

    Triangles that are much larger than their neighbours may be missed.
    """

    def __init__(self, vertices: Float[Array, "V 3"], faces: Int[Array, "F 3"]) -> None:
        from scipy.spatial import cKDTree  # its import takes half a second, and few programs need it

        self.faces, self.triangles = faces, vertices[faces]
        self.tree = cKDTree(self.triangles.mean(1))

    def __call__(self, points: Float[Array, "L 3"]) -> ClosestPoints:
        """The nearest point of the mesh to each point."""
        starts = range(0, len(points), CHUNK)
        parts = [self._closest(points[k : k + CHUNK]) for k in starts]
        index, bary, distance = (np.concatenate(values) for values in zip(*parts, strict=True))
        return ClosestPoints(self.faces[index], bary, distance)

    def _closest(self, points: Array) -> tuple[Array, Array, Array]:
        """The index of the nearest triangle, the barycentric coordinates in it, and the distance."""
        count = min(CANDIDATES, len(self.triangles))
        candidates = self.tree.query(points, k=count)[1].reshape(len(points), -1)
        index, bary, distance = np.zeros(len(points), np.int64), np.zeros((len(points), 3)), np.zeros(len(points))
        in_parts(_nearest_candidate, points, self.triangles, candidates, index, bary, distance)
        return index, bary, distance


def closest_points(
    points: Float[Array, "L 3"], vertices: Float[Array, "V 3"], faces: Int[Array, "F 3"]
) -> ClosestPoints:
    """The nearest point of the mesh to each point."""
    return ClosestPointSearch(vertices, faces)(points)


@compiled
@no_type_check
def _nearest_candidate(part, parts, points, triangles, candidates, index, bary, distance):
    """The nearest of each point's candidate triangles (Ericson 2005, Real-Time Collision Detection, 5.1.5)."""
    total = len(points)
    for k in range(part * total // parts, (part + 1) * total // parts):
        distance[k] = np.inf
        for j in candidates[k]:
            e1, e2, c, p, q, d = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0  # dot products of two edges and the way to the point
            for i in range(3):
                ab, ac = triangles[j, 1, i] - triangles[j, 0, i], triangles[j, 2, i] - triangles[j, 0, i]
                ap = points[k, i] - triangles[j, 0, i]
                e1, e2, c = e1 + ab * ab, e2 + ac * ac, c + ab * ac
                p, q, d = p + ab * ap, q + ac * ap, d + ap * ap
            va, vb = (p - e1) * (q - e2) - (p - c) * (q - c), (p - c) * q - p * (q - e2)
            vc = p * (q - c) - (p - e1) * q
            if p <= 0 and q <= 0:  # corner 0
                v, w = 0.0, 0.0
            elif p - e1 >= 0 and q - c <= p - e1:  # corner 1
                v, w = 1.0, 0.0
            elif q - e2 >= 0 and p - c <= q - e2:  # corner 2
                v, w = 0.0, 1.0
            elif vc <= 0 and p >= 0 and p <= e1:  # edge 0 1
                v, w = p / e1, 0.0
            elif vb <= 0 and q >= 0 and q <= e2:  # edge 0 2
                v, w = 0.0, q / e2
            elif va <= 0 and q - c >= p - e1 and p - c >= q - e2:  # edge 1 2
                w = ((q - c) - (p - e1)) / (e1 + e2 - 2 * c)
                v = 1.0 - w
            else:  # inside
                v, w = vb / (va + vb + vc), vc / (va + vb + vc)
            gap = d - 2 * (v * p + w * q) + v * v * e1 + w * w * e2 + 2 * v * w * c
            gap = np.sqrt(max(gap, 0.0))
            if gap < distance[k]:
                distance[k], index[k] = gap, j
                bary[k, 0], bary[k, 1], bary[k, 2] = 1.0 - v - w, v, w


def plane_weights(point: Float[Array, "*#n 3"], triangles: Float[Array, "*n 3 3"]) -> Float[Array, "*n 3"]:
    """Barycentric coordinates of the points' projections into the planes of the triangles."""
    e1, e2 = triangles[..., 1, :] - triangles[..., 0, :], triangles[..., 2, :] - triangles[..., 0, :]
    d = point - triangles[..., 0, :]
    a, b, c = (e1 * e1).sum(-1), (e1 * e2).sum(-1), (e2 * e2).sum(-1)
    p, q = (e1 * d).sum(-1), (e2 * d).sum(-1)
    determinant = np.maximum(a * c - b * b, 1e-12)
    v, w = (c * p - b * q) / determinant, (a * q - b * p) / determinant
    return np.stack([1 - v - w, v, w], -1)
