"""Makes the subjects of the stand-in for MICC: people whom the 3DMM cannot represent exactly.

Each is a head of the parametric human `anny`, which is nonlinear, while the 3DMM is linear. The head is made asymmetric
and gets smooth bumps and dents that no model has. Its skin is a map that the texture models have not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError
from ganfit_nb.training.skin.uv_corpus import UvCorpus

FIRST_MAP = 10_000  # the shipped texture models were trained on the maps before this one
ASYMMETRY = 0.35  # share of another head's left-right difference that is added
BUMPS, BUMP_RADIUS, BUMP_HEIGHT = 30, (8.0, 25.0), 0.04  # number, mm, and standard deviation of the height in radii
EXPRESSION = 0.6  # strength, as a share of a lively face's expressions
# Random heads of anny differ in size by 7.4 % (outer corners of the eyes), but adults by 4 % (Farkas 1994: biocular
# width 91.2 ± 3.0 mm in men, 87.8 ± 3.2 in women). Raising a head's relative size to this power corrects the spread.
SIZE_POWER = 4.0 / 7.4


@dataclass(frozen=True)
class Subject:
    """One person: the mesh without expression (mm), the displacements of some expressions, and the skin.

    uv has v down; faces are counter-clockwise seen from outside.
    """

    vertices: Float[Array, "V 3"]
    expressions: Float[Array, "n V 3"]
    faces: Int[Array, "F 3"]
    uv: Float[Array, "V 2"]
    albedo: UInt8[Array, "H H 3"]


class StandinHeads:
    """Draws random subjects. `subject(k)` depends on the seed and k alone."""

    def __init__(self, skins: Path | None, seed: int) -> None:
        """`skins` is a folder of MakeHuman skins; without it skin is procedural. Raises GanfitError without `anny`."""
        try:
            from ganfit_nb.training.shape.anny_heads import AnnyHeads

            self.heads = AnnyHeads()
        except ImportError as error:
            raise GanfitError(
                'The subjects are heads of the parametric human anny; pip install "ganfit_nb[build]" brings it.'
            ) from error
        from ganfit_nb.training.shape.template_mesh import build_template_mesh

        self.mesh, self.seed = build_template_mesh(self.heads.mesh), seed
        self.corpus = UvCorpus.build(512, skins, seed=seed)

    @cached_property
    def _actions(self) -> dict[str, Float[Array, "B 3"]]:
        from ganfit_nb.training.shape.shape_statistics import action_displacements

        return action_displacements(self.heads)

    def subject(self, number: int, expressions: int) -> Subject:
        """Person `number` with so many random `expressions`."""
        from ganfit_nb.training.shape.shape_statistics import random_expressions, random_identities

        rng = np.random.default_rng([self.seed, number, 77])
        own, other = (self._adult_sized(head) for head in random_identities(self.heads, 2, rng))
        mirrored = other[self.heads.mesh.mirror] * [-1, 1, 1]
        base = own + ASYMMETRY * (other - mirrored) / 2
        moves = EXPRESSION * random_expressions(self._actions, expressions, rng)
        fine = self.mesh.positions @ base
        fine = fine + bumps(fine, rng)
        return Subject(
            vertices=fine - fine[self.mesh.face_region].mean(0),
            expressions=np.stack([self.mesh.positions @ move for move in moves]),
            faces=self.mesh.faces,
            uv=self.mesh.uv,
            albedo=self.corpus[FIRST_MAP + number],
        )

    def _adult_sized(self, head: Float[Array, "B 3"]) -> Float[Array, "B 3"]:
        face = self.mesh.face_region
        own, middle = ((self.mesh.positions @ mesh)[face].std(0) for mesh in (head, self.heads.mesh.vertices))
        relative = np.linalg.norm(own) / np.linalg.norm(middle)
        return head * relative ** (SIZE_POWER - 1.0)


def bumps(vertices: Float[Array, "V 3"], rng: np.random.Generator) -> Float[Array, "V 3"]:
    """Smooth displacements about random points of the surface, mm."""
    total = np.zeros_like(vertices)
    for centre in vertices[rng.integers(0, len(vertices), BUMPS)]:
        radius = rng.uniform(*BUMP_RADIUS)
        weight = np.exp(-(((vertices - centre) / radius) ** 2).sum(1))
        total += weight[:, None] * rng.normal(0, BUMP_HEIGHT * radius, 3)
    return total
