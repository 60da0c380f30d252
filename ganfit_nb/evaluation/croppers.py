"""Which part of a mesh is compared (Sec. 4.3: "cropped at a radius of 95mm around the tip of the nose")."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray as Array

from ganfit_nb.geometry.surface import Surface

NOSE_RADIUS = 95.0  # mm


def within(points: Float[Array, "N 3"], centre: Float[Array, " 3"], radius: float = NOSE_RADIUS) -> Bool[Array, " N"]:
    """Which points lie in the ball."""
    return np.linalg.norm(points - centre, axis=1) <= radius


def crop_ball(surface: Surface, centre: Float[Array, " 3"], radius: float = NOSE_RADIUS) -> Surface:
    """The triangles in the ball about the tip of the nose."""
    return surface.kept(within(surface.vertices, centre, radius))
