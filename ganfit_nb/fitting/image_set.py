"""Fitting several photos of one person (Sec. 3.4, Eq. 13): one shape and texture, the rest per photo.

    for step in fit_set([Photo.open(path) for path in paths], FaceModel.default(), FitConfig(steps=200)):
        print(step.stage, step.index, step.total)

The photos are aligned together, then brought to show the same skin (`ganfit_nb.fitting.consistency`). In the joint
stage every photo descends by itself, and after every iteration p_s and p_t are averaged over the photos.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.adam import AdamState, adam_update
from ganfit_nb.fitting.alignment import SETTLED, LandmarkEnergy, landmark_energy
from ganfit_nb.fitting.consistency import AGREED, Agreement, Consistency
from ganfit_nb.fitting.first_light import first_light
from ganfit_nb.fitting.free_groups import FreeGroups
from ganfit_nb.fitting.gauss_newton import Energy, NewtonState, damped_update
from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.fitting.objective import Evaluation, Objective, objectives
from ganfit_nb.fitting.stages import ALIGN_STEPS, FitConfig, FitStep, evaluate_with_gradient, fit_step, learning_rates
from ganfit_nb.networks.identity import IdentityNetwork
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo

CONSISTENCY_STEPS = 40


@dataclass(frozen=True)
class SetStep:
    """One turn over an image set: a FitStep a photo, all with the same p_s and p_t."""

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
    def state(self) -> AdamState | NewtonState:
        """What the stages before the joint one need to go on, which the photos share; in that, the first photo's."""
        return self.steps[0].optimizer

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


def fit_set(
    photos: Sequence[Photo],
    model: FaceModel,
    config: FitConfig | None = None,
    weights: LossWeights | None = None,
    *,
    free: FreeGroups | None = None,
    network: IdentityNetwork | None = None,
    start: SetStep | None = None,
) -> Iterator[SetStep]:
    """Fits `model` to all photos of one person; of one photo alone it is `fit`.

    `weights`, `free`, `network` and `start` are those of `fit`: the first two are read at every step, and any step is
    a place to go on or branch off from, on the CPU bit-equal. GanfitError without photos, or when `start` has
    another number of them.
    """
    config, weights, free = config or FitConfig(), weights or LossWeights(), free or FreeGroups()
    network = network or IdentityNetwork.default()
    if not photos or (start and len(start.steps) != len(photos)):
        raise GanfitError("Fit a set of at least one photo, and go on with as many as it was begun with.")
    several = objectives(
        photos, model, network, size=config.size, seed=config.seed, informed_prior=config.informed_prior
    )
    step = start
    if step is None or step.stage == "align":
        for step in _align(several, config, weights, free, start=start):
            yield step
    if len(photos) > 1 and config.consistency and step and step.stage != "joint":
        aligned = step
        for step in _agree(several, config, weights, free, start=aligned):
            yield step
    if config.device != "cpu":
        several = [objective.to(config.device) for objective in several]
    yield from _joint(several, config, weights, free, start=step)


def averaged(parameters: Sequence[FaceParameters], free: FreeGroups) -> list[FaceParameters]:
    """The records with p_s and p_t replaced by their means (Eq. 13, which leaves out the 1/n of its averages)."""
    shared = [name for name in ("identity", "texture") if getattr(free, name)]  # frozen ones are equal, to the bit
    means = {name: torch.stack([getattr(p, name) for p in parameters]).mean(0) for name in shared}
    return [p.replace(**means) for p in parameters]


@dataclass(frozen=True)
class _Turn:
    """The energies of one update, the relative decrease that ends the stage, and what is shown beside the losses."""

    energies: Sequence[Energy]
    settled: float
    terms: dict[str, Tensor]


def _align(
    objectives: Sequence[Objective],
    config: FitConfig,
    weights: LossWeights,
    free: FreeGroups,
    *,
    start: SetStep | None,
) -> Iterator[SetStep]:
    """The alignment stage for all photos at once: one p_s, every photo's own expression and camera."""

    def turn(parameters: Sequence[FaceParameters]) -> _Turn:
        return _Turn([_landmarks(objectives, parameters)], SETTLED, {})

    return _newton("align", turn, ALIGN_STEPS, objectives, config, weights, free, start)


def _agree(
    objectives: Sequence[Objective], config: FitConfig, weights: LossWeights, free: FreeGroups, *, start: SetStep
) -> Iterator[SetStep]:
    """The stage of `ganfit_nb.fitting.consistency`, from the alignment's last step or one of its own."""
    consistency = Consistency([objective.photo for objective in objectives], objectives[0].model)

    def turn(parameters: Sequence[FaceParameters]) -> _Turn:
        agreement = Agreement(consistency, parameters)
        terms = {"consistency": agreement.disagreement}
        return _Turn([_landmarks(objectives, parameters), agreement], AGREED, terms)

    return _newton("consistency", turn, CONSISTENCY_STEPS, objectives, config, weights, free, start)


def _landmarks(objectives: Sequence[Objective], parameters: Sequence[FaceParameters]) -> LandmarkEnergy:
    photos = [objective.photo for objective in objectives]
    return landmark_energy(photos, objectives[0].model, objectives[0].shape_prior, parameters)


def _newton(
    stage: str,
    turn: Callable[[Sequence[FaceParameters]], _Turn],
    steps: int,
    objectives: Sequence[Objective],
    config: FitConfig,
    weights: LossWeights,
    free: FreeGroups,
    start: SetStep | None,
) -> Iterator[SetStep]:
    """A stage of damped Gauss-Newton updates, until they settle: from a step of its own, the last one of the stage
    before it, or the mean face."""
    seconds, clock = start.seconds if start else 0.0, perf_counter()
    mean = objectives[0].model.mean_parameters()
    parameters = [step.parameters for step in start.steps] if start else [mean] * len(objectives)
    resumed = start is not None and start.stage == stage
    state, first = (start.state, start.index) if start and resumed else (NewtonState(), 0)
    assert isinstance(state, NewtonState)
    for index in range(first, steps + 1):
        now = turn(parameters)
        if not resumed or index > first:
            found = _evaluated(objectives, parameters, weights.only("landmark", "shape_prior"), stage, index)
            found = [(evaluation.beside(now.terms), gradient) for evaluation, gradient in found]
            seconds += perf_counter() - clock
            yield _set_step(stage, index, parameters, found, seconds, [state] * len(parameters), config)
            clock = perf_counter()
        if state.converged:
            break
        parameters, state = damped_update(now.energies, parameters, state, free.names(), now.settled)


def _joint(
    objectives: Sequence[Objective],
    config: FitConfig,
    weights: LossWeights,
    free: FreeGroups,
    *,
    start: SetStep | None,
) -> Iterator[SetStep]:
    """The joint stage: each photo's parameters descend Eq. 12 by Adam, then p_s and p_t are averaged."""
    assert start, "the alignment yields at least its start"
    seconds, clock = start.seconds, perf_counter()
    device = objectives[0].photo.image.device
    parameters = [step.parameters.to(device) for step in start.steps]
    resumed = start.stage == "joint"
    if resumed:
        states = [step.optimizer.to(device) for step in start.steps if isinstance(step.optimizer, AdamState)]
    else:
        if free.light:
            lights = [first_light(o.photo, o.model, p) for o, p in zip(objectives, parameters, strict=True)]
            parameters = [p.replace(light=light) for p, light in zip(parameters, lights, strict=True)]
        states = [AdamState.zero(p) for p in parameters]
    first = start.index if resumed else 0
    for index in range(first, config.steps + 1):
        found = _evaluated(objectives, parameters, weights, "joint", index)
        if not resumed or index > first:
            seconds += perf_counter() - clock
            yield _set_step("joint", index, parameters, found, seconds, states, config)
            clock = perf_counter()
        turns = zip(parameters, found, states, strict=True)
        rates = learning_rates(parameters[0], objectives[0].model.morphable, index)
        updates = [adam_update(p, gradient, rates, state, free.names()) for p, (_, gradient), state in turns]
        parameters = averaged([p for p, _ in updates], free)
        states = [state for _, state in updates]


def _evaluated(
    objectives: Sequence[Objective], parameters: Sequence[FaceParameters], weights: LossWeights, stage: str, index: int
) -> list[tuple[Evaluation, FaceParameters]]:
    """Every photo's objective and its gradient."""
    turns = zip(objectives, parameters, strict=True)
    return [evaluate_with_gradient(objective, p, weights, stage, index) for objective, p in turns]


def _set_step(
    stage: str,
    index: int,
    parameters: Sequence[FaceParameters],
    found: Sequence[tuple[Evaluation, FaceParameters]],
    seconds: float,
    states: Sequence[AdamState | NewtonState],
    config: FitConfig,
) -> SetStep:
    """The record of one turn."""
    turns = zip(parameters, found, states, strict=True)
    return SetStep(tuple(fit_step(stage, index, p, *at, seconds, state, config) for p, at, state in turns))
