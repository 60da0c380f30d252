"""Motions of a mesh: rotation, translation and a scale. A rigid motion has scale 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array


@dataclass(frozen=True)
class Similarity:
    """The motion that takes x to scale · rotation · x + translation (mm)."""

    scale: float
    rotation: Float[Array, "3 3"]
    translation: Float[Array, " 3"]

    @classmethod
    def identity(cls) -> Similarity:
        """The motion that moves nothing."""
        return cls(1.0, np.eye(3), np.zeros(3))

    def __call__(self, points: Float[Array, "N 3"]) -> Float[Array, "N 3"]:
        """The moved points."""
        return self.scale * points @ self.rotation.T + self.translation

    def inverse(self) -> Similarity:
        """The motion that undoes this one."""
        return Similarity(1 / self.scale, self.rotation.T, -self.rotation.T @ self.translation / self.scale)

    def after(self, first: Similarity) -> Similarity:
        """The motion that does `first`, then this one."""
        return Similarity(
            self.scale * first.scale,
            self.rotation @ first.rotation,
            self.scale * self.rotation @ first.translation + self.translation,
        )
