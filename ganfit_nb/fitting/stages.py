"""Fitting as a generator (Sec. 3.4): every turn of the loop is yielded, and the caller owns the loop.

    for step in fit(Photo.open(path), FaceModel.default(), FitConfig(steps=100)):
        print(step.stage, step.index, step.total)

`tqdm`, `itertools.islice`, `break` and a Pause button (not asking for the next step) all work. Any yielded step is a
place to go on from: `fit(..., start=step)` continues as the uninterrupted fit would have, or, with other weights,
branches off.

There is one loop, over people and their views (`ganfit_nb.fitting.views`). `fit` looks at it for one photo, `fit_set`
for several photos of one person (Eq. 13), `fit_people` for many people. Each person passes three stages:

* *align*: shape, expressions and cameras from the landmarks, by Gauss-Newton until they settle (`alignment.py`);
* *consistency*, for several photos: the same, until the photos show the same skin (`consistency.py`);
* *joint*: every parameter descends E(p) of Eq. 12 by Adam. Here all people move together, as one program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.adam import AdamState, adam_update
from ganfit_nb.fitting.alignment import SETTLED, LandmarkEnergy, landmark_energy
from ganfit_nb.fitting.coarse_to_fine import coarse_to_fine
from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.fitting.consistency import AGREED, Agreement, Consistency
from ganfit_nb.fitting.first_skin import first_appearance
from ganfit_nb.fitting.free_groups import FreeGroups
from ganfit_nb.fitting.gauss_newton import Energy, NewtonState, damped_update
from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.fitting.objective import Evaluation, Objective
from ganfit_nb.fitting.rates import learning_rates
from ganfit_nb.fitting.steps import FitStep, SetStep
from ganfit_nb.fitting.views import SHARED
from ganfit_nb.networks.identity import IdentityNetwork
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo

ALIGN_STEPS, CONSISTENCY_STEPS = 20, 40
LARGEST = 1e18  # Adam squares a gradient
Key = tuple[str, str]  # what a number is of, and the name of the term or the group


def fit(
    photo: Photo,
    model: FaceModel,
    config: FitConfig | None = None,
    weights: LossWeights | None = None,
    *,
    free: FreeGroups | None = None,
    network: IdentityNetwork | None = None,
    start: FitStep | None = None,
) -> Iterator[FitStep]:
    """Fits `model` to `photo`: the alignment stage, then the joint stage, one FitStep a turn.

    `weights` and the `free` groups are read at every step, so changing them changes a running fit. `network`
    recognises people; without one the shipped network does. `start` is a step of an earlier fit to go on from; the
    first step yielded is the one after it. On the CPU the continued fit is bit-equal to the uninterrupted one.
    """
    begun = SetStep((start,)) if start else None
    for step in fit_set([photo], model, config, weights, free=free, network=network, start=begun):
        yield step.steps[0]


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
    """Fits `model` to all photos of one person: one shape and texture, the rest for each photo (Eq. 13).

    `weights`, `free`, `network` and `start` are those of `fit`: the first two are read at every step, and any step is
    a place to go on or branch off from, on the CPU bit-equal. GanfitError without photos, or when `start` has
    another number of them.
    """
    starts = [start] if start else None
    for (step,) in fit_people([photos], model, config, weights, free=free, network=network, starts=starts):
        yield step


def fit_people(
    people: Sequence[Sequence[Photo]],
    model: FaceModel,
    config: FitConfig | None = None,
    weights: LossWeights | None = None,
    *,
    free: FreeGroups | None = None,
    network: IdentityNetwork | None = None,
    starts: Sequence[SetStep] | None = None,
) -> Iterator[tuple[SetStep, ...]]:
    """Fits `model` to the photos of each of several people in one program; a SetStep a person and turn.

    Nobody's fit depends on who else is there, but for rounding. A person whose alignment has settled keeps the last
    step while others go on. `starts` are steps of one stage of an earlier fit, one a person.
    """
    config, weights, free = config or FitConfig(), weights or LossWeights(), free or FreeGroups()
    network = network or IdentityNetwork.default()
    if not people or not all(people) or (starts and [len(s.steps) for s in starts] != [len(p) for p in people]):
        raise GanfitError("Fit a set of at least one photo, and go on with as many as it was begun with.")
    objective = _objective(people, model, config, network)
    alone = [_Person(objective, person, config, weights, free) for person in range(len(people))]
    steps: list[SetStep | None] = list(starts) if starts else [None] * len(people)
    if not all(step and step.stage == "joint" for step in steps):
        for turn in _side_by_side([person.stages(step) for person, step in zip(alone, steps, strict=True)]):
            steps = [new or old for new, old in zip(turn, steps, strict=True)]
            yield tuple(step for step in steps if step)
    yield from _joint(objective.to(config.device), config, weights, free, [step for step in steps if step])


def align_set(
    photos: Sequence[Photo],
    model: FaceModel,
    config: FitConfig | None = None,
    weights: LossWeights | None = None,
    *,
    free: FreeGroups | None = None,
    network: IdentityNetwork | None = None,
) -> Iterator[SetStep]:
    """The stages before the joint one alone, on the CPU; `fit_people` goes on from the last step."""
    config, network = config or FitConfig(), network or IdentityNetwork.default()
    objective = _objective([photos], model, config, network)
    yield from _Person(objective, 0, config, weights or LossWeights(), free or FreeGroups()).stages(None)


def _objective(
    people: Sequence[Sequence[Photo]], model: FaceModel, config: FitConfig, network: IdentityNetwork
) -> Objective:
    return Objective.of(
        people, model, network, size=config.size, seed=config.seed, informed_prior=config.informed_prior
    )


def _side_by_side(runs: Sequence[Iterator[SetStep]]) -> Iterator[list[SetStep | None]]:
    """A step of each run at a time, None of those that have ended, until all have."""
    while any(turn := [next(run, None) for run in runs]):
        yield turn


@dataclass(frozen=True)
class _Turn:
    """The energies of one update, the relative decrease that ends the stage, and what is shown beside the losses."""

    energies: Sequence[Energy]
    settled: float
    terms: dict[str, Tensor]


class _Person:
    """The stages before the joint one, which each person passes alone."""

    def __init__(
        self, objective: Objective, person: int, config: FitConfig, weights: LossWeights, free: FreeGroups
    ) -> None:
        self.config, self.weights, self.free = config, weights, free
        self.objective = objective.only(person)

    def stages(self, start: SetStep | None) -> Iterator[SetStep]:
        """The alignment, and with several photos their agreement; from a step of either, or the mean face."""
        step = start
        if step is None or step.stage == "align":
            for step in self._newton("align", self._aligning, ALIGN_STEPS, start):
                yield step
        if len(self.objective.photos) > 1 and self.config.consistency:
            consistency = Consistency(self.objective.photos, self.objective.model)

            def agreeing(parameters: Sequence[FaceParameters]) -> _Turn:
                agreement = Agreement(consistency, parameters)
                told = agreement.disagreement.expand(len(parameters))
                return _Turn([self._landmarks(parameters), agreement], AGREED, {"consistency": told})

            yield from self._newton("consistency", agreeing, CONSISTENCY_STEPS, step)

    def _aligning(self, parameters: Sequence[FaceParameters]) -> _Turn:
        return _Turn([self._landmarks(parameters)], SETTLED, {})

    def _landmarks(self, parameters: Sequence[FaceParameters]) -> LandmarkEnergy:
        of = self.objective
        return landmark_energy(of.photos, of.model, of.shape_priors[0], parameters)

    def _newton(
        self,
        stage: str,
        turn: Callable[[Sequence[FaceParameters]], _Turn],
        steps: int,
        start: SetStep | None,
    ) -> Iterator[SetStep]:
        """A stage of damped Gauss-Newton updates, until they settle: from a step of its own, the last one of the stage
        before it, or the mean face."""
        of = self.objective
        seconds, clock = start.seconds if start else 0.0, perf_counter()
        mean = of.model.mean_parameters()
        parameters = [step.parameters for step in start.steps] if start else [mean] * len(of.photos)
        resumed = start is not None and start.stage == stage
        state, first = (start.steps[0].optimizer, start.index) if start and resumed else (NewtonState(), 0)
        assert isinstance(state, NewtonState)
        for index in range(first, steps + 1):
            now = turn(parameters)
            terms = self.weights.only("landmark", "shape_prior")
            found = _evaluated(of, of.views.together(parameters), terms, index).beside(now.terms)
            seconds += perf_counter() - clock
            (step,) = _set_steps(of, found, stage, index, seconds, self.config, state)
            if not resumed or index > first:
                yield step
            clock = perf_counter()
            if state.converged:
                break
            parameters, state = damped_update(now.energies, parameters, state, self.free.names(), now.settled)


def _joint(
    objective: Objective, config: FitConfig, weights: LossWeights, free: FreeGroups, starts: Sequence[SetStep]
) -> Iterator[tuple[SetStep, ...]]:
    """The joint stage: every parameter descends E(p) of Eq. 12 by Adam.

    p_s and p_t descend the mean over the views of their person. Eq. 13 descends for every photo by itself and takes the
    mean afterwards; a mean of gradients has less noise than a mean of Adam's updates, and is one update.
    """
    seconds, clock = max(start.seconds for start in starts), perf_counter()
    views, before = objective.views, [step for start in starts for step in start.steps]
    parameters = views.together([step.parameters for step in before]).to(objective.device)
    resumed = starts[0].stage == "joint"
    if resumed:
        states = [step.optimizer for step in before if isinstance(step.optimizer, AdamState)]
        state, first = AdamState.together(views, states).to(objective.device), starts[0].index
    else:
        parameters = _first_appearances(objective, parameters, weights, free)
        state, first = AdamState.zero(parameters), 0
    at = coarse_to_fine(objective, config.steps)
    for index in range(first, config.steps + 1):
        found = _evaluated(at(index), parameters, weights, index)
        seconds += perf_counter() - clock
        turn = _set_steps(objective, found, "joint", index, seconds, config, state)
        if not resumed or index > first:
            yield turn
        clock = perf_counter()
        rates = learning_rates(parameters, objective.model.morphable, index)
        parameters, state = adam_update(parameters, found.gradient, rates, state, free.names())


def _first_appearances(
    objective: Objective, parameters: FaceParameters, weights: LossWeights, free: FreeGroups
) -> FaceParameters:
    """A first guess of the skin of each person and of the light of each view."""
    views, faces, guessed = objective.views, objective.views.apart(parameters), []
    for person, count in enumerate(views.counts):
        first = views.person.index(person)
        own = slice(first, first + count)
        guessed += first_appearance(objective.photos[own], objective.model, faces[own], weights, free)
    return views.together(guessed)


@dataclass(frozen=True)
class _Found:
    """The objective at some parameters, and its gradient with respect to every group."""

    parameters: FaceParameters
    evaluation: Evaluation
    gradient: FaceParameters

    def beside(self, terms: dict[str, Tensor]) -> _Found:
        """The same with further terms of weight 1."""
        at = self.evaluation
        weights = at.weights | dict.fromkeys(terms, 1.0)
        return _Found(self.parameters, Evaluation(at.terms | terms, weights, at.rendering), self.gradient)


def _evaluated(objective: Objective, parameters: FaceParameters, weights: LossWeights, index: int) -> _Found:
    """The objective and its gradient; zero where a group plays no part. What a person's views share has their mean."""
    leaves = parameters.map(lambda value: value.detach().clone().requires_grad_())
    evaluation = objective.evaluate(leaves, weights, index)
    if not evaluation.terms:
        return _Found(parameters, evaluation, parameters.map(torch.zeros_like))
    values = [value for _, value in leaves.items()]
    slopes = torch.autograd.grad(evaluation.totals.sum(), values, allow_unused=True)
    gradient = FaceParameters(*(torch.zeros_like(v) if g is None else g for v, g in zip(values, slopes, strict=True)))
    counts = gradient.identity.new_tensor(objective.views.counts)[:, None]
    gradient = gradient.replace(**{name: getattr(gradient, name) / counts for name in SHARED})
    return _Found(parameters, evaluation, gradient)


def _set_steps(
    objective: Objective,
    found: _Found,
    stage: str,
    index: int,
    seconds: float,
    config: FitConfig,
    state: AdamState | NewtonState,
) -> tuple[SetStep, ...]:
    """The detached record of one turn, a SetStep a person.

    GanfitError when a term or a gradient is no finite number: the step before is the last good state.
    """
    views, at = objective.views, found.evaluation
    records = {"parameters": found.parameters}
    if isinstance(state, AdamState):
        records |= {"first": state.first, "second": state.second}
    fetched = on_cpu(
        {("term", name): term for name, term in at.terms.items()}
        | {("gradient of the group", name): rows.norm(dim=1) for name, rows in found.gradient.items()}
        | {(kind, name): rows for kind, record in records.items() for name, rows in record.items()}
    )
    numbers = {key: values.tolist() for key, values in fetched.items() if key[0] not in records}
    _require_finite(numbers, stage, index)
    rows = {kind: FaceParameters(**{n: v for (k, n), v in fetched.items() if k == kind}) for kind in records}
    if isinstance(state, AdamState):
        state = AdamState(state.counts, rows["first"], rows["second"])
    faces = views.apart(rows["parameters"])
    keep = at.rendering is not None and config.image_every and index % config.image_every == 0
    steps = [
        FitStep(
            stage=stage,
            index=index,
            parameters=faces[view].detached(),
            losses={name: numbers["term", name][view] for name in at.terms},
            weights=dict(at.weights),
            gradient_norms={
                name: numbers["gradient of the group", name][whose if name in SHARED else view]
                for name, _ in found.gradient.items()
            },
            seconds=seconds,
            optimizer=state.of(views, view) if isinstance(state, AdamState) else state,
            image=at.rendering.image[view].detach().cpu().clone() if keep and at.rendering else None,
        )
        for view, whose in enumerate(views.person)
    ]
    return tuple(
        SetStep(tuple(step for step, whose in zip(steps, views.person, strict=True) if whose == person))
        for person in range(len(views.counts))
    )


def on_cpu(tensors: Mapping[Key, Tensor]) -> dict[Key, Tensor]:
    """Copies of all of them in one transfer: a GPU is waited for once."""
    flat = torch.cat([tensor.detach().flatten() for tensor in tensors.values()]).cpu()
    parts = flat.split([tensor.numel() for tensor in tensors.values()])
    return {key: part.view(tensors[key].shape) for key, part in zip(tensors, parts, strict=True)}


def _require_finite(numbers: Mapping[Key, Sequence[float]], stage: str, index: int) -> None:
    for (kind, name), values in numbers.items():
        if not all(abs(value) < LARGEST for value in values):
            raise GanfitError(
                f"The fit went bad at step {index} of the stage {stage}: the {kind} {name} is no finite number; go on "
                "from the step before it with other weights."
            )
