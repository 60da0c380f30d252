"""Makes a base map of noise and anatomy alone, for a corpus that is rebuilt without MakeHuman's skins."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ganfit_nb.training.skin.canvas import Face
from ganfit_nb.training.skin.painting import blur, cloud, distance_to_curve, smoothstep, spline
from ganfit_nb.training.skin.skin_tone import HAEMOGLOBIN, MELANIN

OCCLUSION = np.array([0.85, 1.05, 1.0], np.float32)  # absorption in folds, from which light comes back reddened


def procedural_base(rng: np.random.Generator, face: Face) -> Float[ndarray, "H H 3"]:
    """The density relative to the tone, with pores, lips, nostrils, lid folds, wings of the nose and ears."""
    size = face.layout.size
    grain = blur(rng.standard_normal((size, size, 1)), 0.8 * size / 512)[..., 0] * 2.2
    pores = np.maximum(blur(rng.standard_normal((size, size, 1)), 1.2 * size / 512)[..., 0] * 3.4 - 1.2, 0.0)
    base = (0.018 * grain + 0.05 * pores)[..., None] * OCCLUSION
    base += 0.05 * cloud(rng, size, (12, 25, 50, 100), 0.8)[..., None] * MELANIN
    base += 0.05 * cloud(rng, size, (12, 25, 50, 100), 0.8)[..., None] * HAEMOGLOBIN
    lips = smoothstep(face.lips, 0.8, -1.2)
    base += lips[..., None] * (0.34 * HAEMOGLOBIN + 0.12 * MELANIN)
    folds = np.zeros((size, size), np.float32)
    for side in (-1.0, 1.0):
        flip = np.array([side, 1.0])
        wing = face.wing
        alar = spline(wing + np.array([[-2.0, -6.0], [0.0, 0.0], [-3.0, 6.0]]), 20) * flip
        folds += 0.3 * np.exp(-((distance_to_curve(face.layout.chart, alar) / 1.3) ** 2))
        lid = (face.lids[0] + np.array([0.0, -4.0])) * flip
        folds += 0.25 * np.exp(-((distance_to_curve(face.layout.chart, lid) / 1.0) ** 2))
    folds += 0.25 * np.exp(-((face.eye_outline / 1.5) ** 2))
    folds += 0.3 * np.exp(-((face.seam / 1.2) ** 2))
    base += folds[..., None] * OCCLUSION
    return (base * face.skin[..., None]).astype(np.float32)
