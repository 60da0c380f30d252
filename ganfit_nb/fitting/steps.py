"""The record of one turn of a fit: of one photo, and of several photos of one person."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.adam import AdamState
from ganfit_nb.fitting.gauss_newton import NewtonState
from ganfit_nb.parameters import FaceParameters


@dataclass(frozen=True)
class FitStep:
    """The whole state at one turn, detached: `losses` and `gradient_norms` belong to `parameters`.

    Step 0 of a stage is the state before its first update. The first steps of the joint stage have smaller pictures
    (`coarse_to_fine.py`), of which their losses and `image` are. `seconds` is the computing time since the fit began,
    without the time the caller kept the generator waiting.
    """

    stage: str
    index: int
    parameters: FaceParameters
    losses: dict[str, float]
    weights: dict[str, float]
    gradient_norms: dict[str, float]
    seconds: float
    optimizer: AdamState | NewtonState
    image: Float[Tensor, "H W 3"] | None = None

    @property
    def total(self) -> float:
        """Σ λ L (Eq. 12)."""
        return sum((self.weights[name] * value for name, value in self.losses.items()), 0.0)


@dataclass(frozen=True)
class SetStep:
    """One turn over an image set: a FitStep a photo, all with the same p_s and p_t (Eq. 13)."""

    steps: tuple[FitStep, ...]

    @property
    def stage(self) -> str:
        """The stage all photos are in."""
        return self.steps[0].stage

    @property
    def index(self) -> int:
        """The turn of the stage."""
        return self.steps[0].index

    @property
    def seconds(self) -> float:
        """Computing time since the fit began."""
        return self.steps[0].seconds

    @property
    def total(self) -> float:
        """Σ λ L (Eq. 12), the mean over the photos."""
        return sum(step.total for step in self.steps) / len(self.steps)

    def shared(self, model: FaceModel) -> FaceParameters:
        """The person: the shared shape and texture, without expression, from the front in frontal light."""
        one = self.steps[0].parameters
        return model.mean_parameters().replace(identity=one.identity, texture=one.texture)
