"""People of known shape, photographed by our own renderer. The shapes are the model's, and the skins are not.

The skins are painted by the UV corpus. No texture model makes them, so neither the GAN nor the linear model can
represent them exactly.
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

FIRST_SKIN = 20_000  # of the corpus; the shipped models were trained and tested on the skins before this one
SUPERSAMPLING = 2
BACKGROUND_CELLS = 5  # blotches of the background along each side


@dataclass(frozen=True)
class KnownPerson:
    """A person.

    identity  p_s, in standard deviations
    albedo    (H, W, 3) albedo map, display values in [0, 1]
    """

    identity: Float[Tensor, " s"]
    albedo: Float[Tensor, "H W 3"]


@dataclass(frozen=True)
class KnownPeople:
    """A sequence of people: `people[i]` is always the same person.

    skins  a folder of MakeHuman skins; without it all skins are procedural
    """

    model: MorphableModel
    skins: Path | None = None

    @cached_property
    def _corpus(self) -> UvCorpus:
        return UvCorpus.build(512, self.skins)

    def __getitem__(self, index: int) -> KnownPerson:
        return KnownPerson(self.identity(index), torch.from_numpy(self._corpus[FIRST_SKIN + index]).float() / 255)

    def identity(self, index: int) -> Float[Tensor, " s"]:
        """p_s of a person, without making the skin."""
        generator = torch.Generator().manual_seed(10_000 + index)
        return torch.randn(len(self.model.identity_basis), generator=generator)

    def photograph(self, person: KnownPerson, shot: int, size: int) -> Float[Tensor, "size size 3"]:
        """A photograph of a person. Each `shot` has its own expression, pose, distance and light (Eq. 7)."""
        view = self.view(person, shot)
        vertices = self.model.vertices(person.identity, view.expression)
        fine = size * SUPERSAMPLING
        mesh, surroundings = self.model, _background(shot, fine)
        picture = render(
            vertices, mesh.faces, mesh.uv, person.albedo, view.camera, view.light, fine, background=surroundings
        )
        return F.avg_pool2d(picture.image.clamp(0, 1).permute(2, 0, 1), SUPERSAMPLING).permute(1, 2, 0)

    def view(self, person: KnownPerson, shot: int) -> FaceParameters:
        """The parameters of a photograph. p_t is empty, because no texture model made the skin."""
        none = torch.zeros(len(self.model.expression_basis))
        still = FaceParameters(person.identity, none, torch.zeros(0), torch.zeros(7), torch.zeros(9))
        return second_view(still, seed=shot, index=0)


def _background(seed: int, size: int) -> Float[Tensor, "size size 3"]:
    """A background that is out of focus: a few soft blotches, which differ more in lightness than in colour."""
    generator = torch.Generator().manual_seed(seed)
    cells = (BACKGROUND_CELLS, BACKGROUND_CELLS)
    brightness = 0.2 + 0.5 * torch.rand(1, generator=generator) + 0.12 * torch.randn(1, *cells, generator=generator)
    tint = 0.04 * torch.randn(3, 1, 1, generator=generator) + 0.02 * torch.randn(3, *cells, generator=generator)
    field = F.interpolate((brightness + tint)[None], (size, size), mode="bicubic", align_corners=True)
    return field[0].clamp(0, 1).permute(1, 2, 0)
