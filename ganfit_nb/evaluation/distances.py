"""Measures the distance between two meshes in mm, in one direction or in both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError
from ganfit_nb.geometry.correspondences import Partners, closest_on_surface
from ganfit_nb.geometry.surface import Surface

# A function from (points (N, 3), their partners) to one distance for each point (N,), mm.
Distance = Callable[[Array, Partners], Array]


def point_to_point(points: Float[Array, "N 3"], partners: Partners) -> Float[Array, " N"]:
    """The Euclidean distance of each point from its partner."""
    return np.linalg.norm(points - partners.points, axis=1)


def point_to_plane(points: Float[Array, "N 3"], partners: Partners) -> Float[Array, " N"]:
    """The distance of each point from the tangent plane at its partner (Sec. 4.3)."""
    return np.abs(((points - partners.points) * partners.normals).sum(1))


@dataclass(frozen=True)
class SymmetricDistance:
    """The mean distances between two meshes in both directions.

    forward   mean over the points of the first mesh, mm
    backward  mean over the points of the second mesh, mm
    covered   share of all points that have a counterpart on the other mesh; only these are in the means
    """

    forward: float
    backward: float
    covered: float

    @property
    def mean(self) -> float:
        """The mean of both directions, mm."""
        return (self.forward + self.backward) / 2


def distances(
    points: Float[Array, "N 3"], surface: Surface, distance: Distance = point_to_plane
) -> tuple[Float[Array, " N"], Bool[Array, " N"]]:
    """The distance of each point from a mesh in mm, and whether the point has a counterpart there.

    A point has no counterpart if its partner lies on the mesh's border: the mesh has a hole there, or ends. Raises
    GanfitError when no point has one.
    """
    partners = closest_on_surface(points, surface)
    if not (~partners.on_border).any():
        raise GanfitError("The two meshes do not overlap; align them first.")
    return distance(points, partners), ~partners.on_border


def symmetric_distance(
    first: Surface,
    second: Surface,
    chosen: tuple[Bool[Array, " V"], Bool[Array, " W"]] | None = None,
    distance: Distance = point_to_plane,
) -> SymmetricDistance:
    """The mean distances of each mesh's chosen vertices from the whole other mesh, in both directions.

    Vertices without a counterpart (see `distances`) are left out. Raises GanfitError when none has one.
    """
    chosen = chosen or (np.ones(len(first.vertices), bool), np.ones(len(second.vertices), bool))
    means, counted, total = [], 0, 0
    for one, other, part in ((first, second, chosen[0]), (second, first, chosen[1])):
        values, counts = distances(one.vertices[part], other, distance)
        means.append(float(values[counts].mean()))
        counted, total = counted + int(counts.sum()), total + len(counts)
    return SymmetricDistance(means[0], means[1], counted / total)
