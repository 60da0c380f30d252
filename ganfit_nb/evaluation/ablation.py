"""The leave-one-out ablation of Sec. 4.4 (Fig. 5): its variants, fitted from the same start with the same seed.

    for turn in side_by_side(photo, FaceModel.default(), FitConfig(steps=100)):
        print({name: step.total for name, step in turn.items()})

Alignment uses landmarks and shape alone, and every variant has those, so all joint stages begin with the same face; the
seed gives them the same second views (Eq. 7).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ganfit_nb.face.face_model import FaceModel, shipped_texture
from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.fitting.stages import fit
from ganfit_nb.fitting.steps import FitStep
from ganfit_nb.networks.identity import IdentityNetwork
from ganfit_nb.photos.photo import Photo
from ganfit_nb.results.recipe import Recipe


@dataclass(frozen=True)
class Variant:
    """What one picture of Fig. 5 leaves out or exchanges.

    label    in the figure's terms
    without  terms of Eq. 12 that weigh nothing, as LossWeights names them
    texture  the texture model in the place of the fit's own; None keeps that
    """

    label: str
    without: tuple[str, ...] = ()
    texture: Literal["pca"] | None = None

    def weights(self, full: LossWeights | None = None) -> LossWeights:
        """A fresh copy of the full objective's weights without this variant's terms."""
        return replace(full or LossWeights(), **dict.fromkeys(self.without, 0.0))

    def model(self, full: FaceModel) -> FaceModel:
        """The full model, or one with another texture and the same shape."""
        return replace(full, texture=shipped_texture(self.texture)) if self.texture else full

    def recipe(self, full: Recipe) -> Recipe:
        """The same for a batch."""
        return replace(full, without=self.without, texture=self.texture or full.texture)

    def fit(
        self, photo: Photo, model: FaceModel, config: FitConfig | None = None, network: IdentityNetwork | None = None
    ) -> Iterator[FitStep]:
        """The steps of this variant's fit."""
        return fit(photo, self.model(model), config, self.weights(), network=network)


VARIANTS: dict[str, Variant] = {
    "full": Variant("full"),
    "no-id": Variant("−L_id", ("identity",)),
    "no-second-id": Variant("−L̂_id", ("second_identity",)),
    "no-content": Variant("−L_con", ("content",)),
    "no-identity": Variant("−L_id, L̂_id, L_con", ("identity", "second_identity", "content")),
    "no-pixel": Variant("−L_pix", ("pixel",)),
    "no-landmark": Variant("−L_lan", ("landmark",)),
    "pca": Variant("PCA texture", texture="pca"),
}


def side_by_side(
    photo: Photo,
    model: FaceModel,
    config: FitConfig | None = None,
    variants: Mapping[str, Variant] = VARIANTS,
    network: IdentityNetwork | None = None,
) -> Iterator[dict[str, FitStep]]:
    """All variants in step: every turn is one step of each, by name. Break off whenever you have seen enough."""
    fits = [variant.fit(photo, model, config, network) for variant in variants.values()]
    for steps in zip(*fits, strict=True):
        yield dict(zip(variants, steps, strict=True))
