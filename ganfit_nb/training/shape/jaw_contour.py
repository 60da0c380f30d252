"""Finds candidates for the jaw's 17 landmarks.

When the head turns, the outline of the jaw moves over the surface. The candidates of a landmark lie on the line along
which it moves.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array
from scipy.spatial import cKDTree

from ganfit_nb.face.morphable import JAW, MorphableModel, SurfacePoints

NOSE_BASE = 33  # iBUG index
CANDIDATES = 16
REACH = 0.5  # length of a line, as a share of the way from the jaw point to the nose in the UV map


def jaw_contour(model: MorphableModel, landmarks: SurfacePoints) -> tuple[Int[Array, "17 C"], Float[Array, "17 2"]]:
    """(candidate vertices, outward directions): straight lines in the UV map from each jaw point towards the nose.

    A line does not go outwards from its point, because on the near side of a turned face the landmark stays on the jaw.
    """
    uv = model.uv.numpy()
    skin = np.flatnonzero((model.pixel_region > 0).numpy() | (model.face_region).numpy())
    marks = landmarks.on(model.uv).numpy()
    step = np.linspace(0, REACH, CANDIDATES)[:, None]
    lines = marks[:JAW, None] + step * (marks[NOSE_BASE] - marks[:JAW, None])  # (17, C, 2)
    wanted = np.unique(np.concatenate([skin, landmarks.corners[:JAW].numpy().ravel()]))
    vertices = wanted[cKDTree(uv[wanted]).query(lines)[1]]
    jaw = landmarks[slice(JAW)].on(model.mean).numpy()[:, :2]
    along = np.gradient(jaw, axis=0)
    outward = np.stack([along[:, 1], -along[:, 0]], 1)  # jaw points run from image left over the chin to right
    return vertices.astype(np.int64), outward / np.linalg.norm(outward, axis=1, keepdims=True)
