"""Which point of the target belongs to each point of the source: interchangeable functions of ICP."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Bool, Float
from numpy import ndarray as Array

from ganfit_nb.geometry.surface import Surface


class Partners(NamedTuple):
    """One row a point of the source: its partner, the target's unit normal there, how far it is (mm), and whether it
    lies on the target's border, where the target ends and the true partner is missing."""

    points: Float[Array, "N 3"]
    normals: Float[Array, "N 3"]
    distance: Float[Array, " N"]
    on_border: Bool[Array, " N"]


# (points (N, 3), target) -> their partners on the target
Correspond = Callable[[Array, Surface], Partners]


def closest_on_surface(points: Float[Array, "N 3"], target: Surface) -> Partners:
    """The nearest point of the target's triangles."""
    corners, bary, distance = target.search(points)
    border = (target.border[corners] | (bary < 1e-6)).all(1)  # on an edge or a corner whose ends are on the border
    normals = (target.normals[corners] * bary[..., None]).sum(1)
    return Partners((target.vertices[corners] * bary[..., None]).sum(1), normals, distance, border)


def closest_vertex(points: Float[Array, "N 3"], target: Surface) -> Partners:
    """The nearest vertex, as in most implementations: faster, and off by the length of an edge."""
    from scipy.spatial import cKDTree

    distance, index = cKDTree(target.vertices).query(points)
    return Partners(target.vertices[index], target.normals[index], distance, target.border[index])
