"""How far two meshes are apart, mm: interchangeable functions of partners, and both directions together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError
from ganfit_nb.geometry.correspondences import Partners, closest_on_surface
from ganfit_nb.geometry.surface import Surface

# (points (N, 3), their partners) -> one number a point, mm
Distance = Callable[[Array, Partners], Array]


def point_to_point(points: Float[Array, "N 3"], partners: Partners) -> Float[Array, " N"]:
    """The Euclidean distance."""
    return np.linalg.norm(points - partners.points, axis=1)


def point_to_plane(points: Float[Array, "N 3"], partners: Partners) -> Float[Array, " N"]:
    """The distance from the plane that touches the surface at the partner (Sec. 4.3)."""
    return np.abs(((points - partners.points) * partners.normals).sum(1))


@dataclass(frozen=True)
class SymmetricDistance:
    """forward: mean over the first mesh's points, mm. backward: over the second's. covered: the share of the points
    that have a partner, and so count."""

    forward: float
    backward: float
    covered: float

    @property
    def mean(self) -> float:
        """Both directions averaged."""
        return (self.forward + self.backward) / 2


def distances(
    points: Float[Array, "N 3"], surface: Surface, distance: Distance = point_to_plane
) -> tuple[Float[Array, " N"], Bool[Array, " N"]]:
    """The distance of each point from a mesh, mm, and whether it counts.

    A point whose partner lies on the mesh's border (a hole, or beyond its edge) has no counterpart and does not count.
    GanfitError when none counts.
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
    """The mean distance of each mesh's chosen vertices from the whole other mesh; `distances` says which count, and
    raises."""
    chosen = chosen or (np.ones(len(first.vertices), bool), np.ones(len(second.vertices), bool))
    means, counted, total = [], 0, 0
    for one, other, part in ((first, second, chosen[0]), (second, first, chosen[1])):
        values, counts = distances(one.vertices[part], other, distance)
        means.append(float(values[counts].mean()))
        counted, total = counted + int(counts.sum()), total + len(counts)
    return SymmetricDistance(means[0], means[1], counted / total)
