"""People whose shape is known, photographed by our own renderer: shapes of the model, skins that no model has seen.

Skin comes from the painters of the UV corpus rather than from a texture model, so neither the GAN nor the linear model
has it in its span.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.fitting.second_view import second_view
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.renderer import render
from ganfit_nb.training.skin.uv_corpus import UvCorpus

FIRST_SKIN = 20_000  # of the corpus; the shipped models were trained and tested on those before
SUPERSAMPLING = 2
BACKGROUND_CELLS = 5  # bumps a side of the blurred background


@dataclass(frozen=True)
class KnownPerson:
    """identity  p_s, in standard deviations. albedo  the UV map."""

    identity: Float[Tensor, " s"]
    albedo: Float[Tensor, "H W 3"]


@dataclass(frozen=True)
class KnownPeople:
    """`people[i]` is the same person for the same seed of the corpus. `skins`: a folder of MakeHuman skins, if any."""

    model: MorphableModel
    skins: Path | None = None

    @cached_property
    def _corpus(self) -> UvCorpus:
        return UvCorpus.build(512, self.skins)

    def __getitem__(self, index: int) -> KnownPerson:
        return KnownPerson(self.identity(index), torch.from_numpy(self._corpus[FIRST_SKIN + index]).float() / 255)

    def identity(self, index: int) -> Float[Tensor, " s"]:
        """p_s of a person, for those who need no skin."""
        generator = torch.Generator().manual_seed(10_000 + index)
        return torch.randn(len(self.model.identity_basis), generator=generator)

    def photograph(self, person: KnownPerson, shot: int, size: int) -> Float[Tensor, "size size 3"]:
        """Another expression, pose, distance and light for every `shot` (the Gaussians of Eq. 7)."""
        view = self.view(person, shot)
        vertices = self.model.vertices(person.identity, view.expression)
        fine = size * SUPERSAMPLING
        mesh, surroundings = self.model, _background(shot, fine)
        picture = render(
            vertices, mesh.faces, mesh.uv, person.albedo, view.camera, view.light, fine, background=surroundings
        )
        return F.avg_pool2d(picture.image.clamp(0, 1).permute(2, 0, 1), SUPERSAMPLING).permute(1, 2, 0)

    def view(self, person: KnownPerson, shot: int) -> FaceParameters:
        """The parameters of one photograph; the texture has none, for no model made it."""
        none = torch.zeros(len(self.model.expression_basis))
        still = FaceParameters(person.identity, none, torch.zeros(0), torch.zeros(7), torch.zeros(9))
        return second_view(still, seed=shot, index=0)


def _background(seed: int, size: int) -> Float[Tensor, "size size 3"]:
    """A room out of focus: a few soft blotches, more of light than of colour."""
    generator = torch.Generator().manual_seed(seed)
    cells = (BACKGROUND_CELLS, BACKGROUND_CELLS)
    brightness = 0.2 + 0.5 * torch.rand(1, generator=generator) + 0.12 * torch.randn(1, *cells, generator=generator)
    tint = 0.04 * torch.randn(3, 1, 1, generator=generator) + 0.02 * torch.randn(3, *cells, generator=generator)
    field = F.interpolate((brightness + tint)[None], (size, size), mode="bicubic", align_corners=True)
    return field[0].clamp(0, 1).permute(1, 2, 0)
