"""The nearest points of a triangle mesh."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array
from scipy.spatial import cKDTree

CANDIDATES = 16  # triangles looked at for each point: those whose centres are nearest
CHUNK = 10_000  # points at a time, about 100 MB


class ClosestPoints(NamedTuple):
    """Points on a mesh: the corners of the triangles they lie in, their weights there, and how far they were."""

    corners: Int[Array, "L 3"]
    bary: Float[Array, "L 3"]
    distance: Float[Array, " L"]


def closest_points(
    points: Float[Array, "L 3"], vertices: Float[Array, "V 3"], faces: Int[Array, "F 3"]
) -> ClosestPoints:
    """The nearest point of the mesh to each point. Triangles much larger than their neighbours may be missed."""
    triangles = vertices[faces]
    tree = cKDTree(triangles.mean(1))
    starts = range(0, len(points), CHUNK)
    parts = [_closest(points[k : k + CHUNK], triangles, tree) for k in starts]
    index, bary, distance = (np.concatenate(values) for values in zip(*parts, strict=True))
    return ClosestPoints(faces[index], bary, distance)


def _closest(points: Array, triangles: Array, tree: cKDTree) -> tuple[Array, Array, Array]:
    """Index of the nearest triangle, weights and distance."""
    candidates = tree.query(points, k=min(CANDIDATES, len(triangles)))[1].reshape(len(points), -1)
    corners = triangles[candidates]  # (l, k, 3, 3)
    bary = barycentric(points[:, None], corners)
    distance = np.linalg.norm((corners * bary[..., None]).sum(2) - points[:, None], axis=2)
    row, best = np.arange(len(points)), distance.argmin(1)
    return candidates[row, best], bary[row, best], distance[row, best]


def barycentric(point: Float[Array, "*#n 3"], triangles: Float[Array, "*n 3 3"]) -> Float[Array, "*n 3"]:
    """Weights of the point of each triangle that is nearest to `point`."""
    inside = plane_weights(point, triangles)
    options = [np.where((inside >= 0).all(-1, keepdims=True), inside, np.nan)]
    for a, b in ((0, 1), (1, 2), (2, 0)):
        edge = triangles[..., b, :] - triangles[..., a, :]
        along = ((point - triangles[..., a, :]) * edge).sum(-1) / np.maximum((edge**2).sum(-1), 1e-12)
        weights = np.zeros(triangles.shape[:-1])
        weights[..., b] = along.clip(0, 1)
        weights[..., a] = 1 - weights[..., b]
        options.append(weights)
    stacked = np.stack(options)
    distance = np.linalg.norm((triangles[None] * stacked[..., None]).sum(-2) - point, axis=-1)
    return np.take_along_axis(stacked, np.nanargmin(distance, axis=0)[None, ..., None], axis=0)[0]


def plane_weights(point: Float[Array, "*#n 3"], triangles: Float[Array, "*n 3 3"]) -> Float[Array, "*n 3"]:
    """Barycentric coordinates of the points' projections into the planes of the triangles."""
    e1, e2 = triangles[..., 1, :] - triangles[..., 0, :], triangles[..., 2, :] - triangles[..., 0, :]
    d = point - triangles[..., 0, :]
    a, b, c = (e1 * e1).sum(-1), (e1 * e2).sum(-1), (e2 * e2).sum(-1)
    p, q = (e1 * d).sum(-1), (e2 * d).sum(-1)
    determinant = np.maximum(a * c - b * b, 1e-12)
    v, w = (c * p - b * q) / determinant, (a * q - b * p) / determinant
    return np.stack([1 - v - w, v, w], -1)
