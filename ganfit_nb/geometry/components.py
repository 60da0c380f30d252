"""The connected pieces of a mesh."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from numpy import ndarray


def components(faces: Int[ndarray, "F 3"], vertices: int) -> Int[ndarray, " V"]:
    """A label for each vertex: the smallest vertex index in its connected piece."""
    label = np.arange(vertices)
    while True:
        lowest = label[faces].min(axis=1)
        before = label.copy()
        np.minimum.at(label, faces.ravel(), np.repeat(lowest, 3))
        label = label[label]
        if (label == before).all():
            return label
