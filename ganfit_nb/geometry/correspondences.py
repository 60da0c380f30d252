"""Finds the partner on the target for each point of the source. ICP takes either of these functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Bool, Float
from numpy import ndarray as Array

from ganfit_nb.geometry.surface import Surface


class Partners(NamedTuple):
    """The partners on the target, one row for each point of the source.

    points     the partner
    normals    the target's unit normal at the partner
    distance   distance of the partner from the point, mm
    on_border  whether the partner lies where the target ends; then the true partner is probably missing
    """

    points: Float[Array, "N 3"]
    normals: Float[Array, "N 3"]
    distance: Float[Array, " N"]
    on_border: Bool[Array, " N"]


# A function from (points (N, 3), target) to their partners on the target.
Correspond = Callable[[Array, Surface], Partners]


def closest_on_surface(points: Float[Array, "N 3"], target: Surface) -> Partners:
    """The nearest point on the target's triangles."""
    found = target.search(points)
    border = (target.border[found.corners] | (found.bary < 1e-6)).all(1)  # all corners that count lie on the border
    return Partners(found.on(target.vertices), found.on(target.normals), found.distance, border)


def closest_vertex(points: Float[Array, "N 3"], target: Surface) -> Partners:
    """The nearest vertex of the target, as in most implementations. It is fast, but wrong by up to an edge's length."""
    from scipy.spatial import cKDTree

    distance, index = cKDTree(target.vertices).query(points)
    return Partners(target.vertices[index], target.normals[index], distance, target.border[index])
