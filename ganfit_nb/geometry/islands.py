"""Finds the connected pieces of a triangle mesh."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from numpy import ndarray as Array


def islands(faces: Int[Array, "F 3"], count: int) -> Int[Array, " V"]:
    """A label for each of the `count` vertices: the smallest vertex index in its connected piece."""
    label = np.arange(count)
    while True:
        lowest = label[faces].min(axis=1)
        before = label.copy()
        np.minimum.at(label, faces.ravel(), np.repeat(lowest, 3))
        label = label[label]
        if (label == before).all():
            return label
