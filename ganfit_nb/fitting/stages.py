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

from collections.abc import Iterator, Sequence
from time import perf_counter

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.adam import AdamState, adam_update
from ganfit_nb.fitting.before_joint import BeforeJoint
from ganfit_nb.fitting.coarse_to_fine import coarse_to_fine
from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.fitting.first_skin import first_appearance
from ganfit_nb.fitting.free_groups import FreeGroups
from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.fitting.objective import Objective
from ganfit_nb.fitting.rates import learning_rates
from ganfit_nb.fitting.steps import FitStep, SetStep
from ganfit_nb.fitting.turn import evaluated, set_steps
from ganfit_nb.networks.identity import IdentityNetwork
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo


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
    alone = [BeforeJoint(objective, person, config, weights, free) for person in range(len(people))]
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
    yield from BeforeJoint(objective, 0, config, weights or LossWeights(), free or FreeGroups()).stages(None)


def _objective(
    people: Sequence[Sequence[Photo]], model: FaceModel, config: FitConfig, network: IdentityNetwork
) -> Objective:
    return Objective.of(
        people,
        model,
        network,
        size=config.size,
        seed=config.seed,
        informed_prior=config.informed_prior,
        occlusion=config.occlusion,
    )


def _side_by_side(runs: Sequence[Iterator[SetStep]]) -> Iterator[list[SetStep | None]]:
    """A step of each run at a time, None of those that have ended, until all have."""
    while any(turn := [next(run, None) for run in runs]):
        yield turn


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
        found = evaluated(at(index), parameters, weights, index)
        seconds += perf_counter() - clock
        turn = set_steps(objective, found, "joint", index, seconds, config, state)
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
        photos = objective.photos[own]
        guessed += first_appearance(photos, objective.model, faces[own], weights, free, objective.occlusion)
    return views.together(guessed)
