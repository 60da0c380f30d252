"""Takes the pictures of the stand-in for LFW, with the people and the camera of the stand-in for MICC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray as Array

from ganfit_nb.geometry.surface import Surface
from ganfit_nb.standins.camera import Shot, mitsuba, photograph
from ganfit_nb.standins.heads import StandinHeads
from ganfit_nb.standins.lfw import SIDE
from ganfit_nb.standins.micc import cooperative, develop, indoor, outdoor

BLUR, GRAIN = 0.4, 0.008  # px, and standard deviation of a white pixel
FIELD = (290.0, 380.0)  # mm that a picture shows; in LFW a face fills about half of it


class Photographer:
    """`photographer(k, n)` yields n pictures of person k. The seed decides who that is."""

    def __init__(self, skins: Path | None, seed: int) -> None:
        """Raises GanfitError when the build extra is not installed."""
        mitsuba()
        self.heads, self.seed = StandinHeads(skins, seed), seed

    def __call__(self, person: int, pictures: int) -> Iterator[UInt8[Array, "H W 3"]]:
        """Pictures of one person. Each has its own expression, pose, light, distance and framing."""
        subject = self.heads.subject(person, pictures)
        rng = np.random.default_rng([self.seed, person, 3])
        for expression in subject.expressions:
            vertices = subject.vertices + expression
            normals = Surface(vertices, subject.faces).normals
            shot, grain = random_shot(rng), int(rng.integers(2**31))
            light = photograph(vertices, normals, subject.faces, subject.uv, subject.albedo, shot, SIDE, SIDE, grain)
            yield develop(light, BLUR, GRAIN, rng)


def random_shot(rng: np.random.Generator) -> Shot:
    """A shot in one of MICC's three settings at a random moment, framed as in LFW."""
    shoot = (cooperative, indoor, outdoor)[int(rng.integers(3))]
    return replace(shoot(rng, float(rng.uniform())), field=float(rng.uniform(*FIELD)), pole=None)
