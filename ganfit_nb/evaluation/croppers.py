"""Chooses the part of a mesh that is compared (Sec. 4.3: "cropped at a radius of 95mm around the tip of the nose")."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray as Array

NOSE_RADIUS = 95.0  # mm


def within(points: Float[Array, "N 3"], centre: Float[Array, " 3"], radius: float = NOSE_RADIUS) -> Bool[Array, " N"]:
    """Whether each point lies in the ball of this radius (mm) around the centre."""
    return np.linalg.norm(points - centre, axis=1) <= radius
