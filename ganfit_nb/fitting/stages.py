"""Fitting as a generator (Sec. 3.4): every turn of the loop is yielded, and the caller owns the loop.

    for step in fit(Photo.open(path), FaceModel.default(), FitConfig(steps=200)):
        print(step.stage, step.index, step.total)

`tqdm`, `itertools.islice`, `break` and a Pause button (not asking for the next step) all work. Any yielded step is a
place to go on from: `fit(..., start=step)` continues as the uninterrupted fit would have, or, with other weights,
branches off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.fitting.adam import AdamState, adam_update
from ganfit_nb.fitting.alignment import SETTLED, landmark_energy
from ganfit_nb.fitting.first_light import first_light
from ganfit_nb.fitting.free_groups import FreeGroups
from ganfit_nb.fitting.gauss_newton import NewtonState, damped_update
from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.fitting.objective import Evaluation, Objective, objectives
from ganfit_nb.networks.identity import IdentityNetwork
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo
from ganfit_nb.values import whole

ALIGN_STEPS = 20
COARSE, COARSE_RATE = 0.2, 0.001  # mm that a mode moves the face by, and standard deviations a step
SLOWER = 25  # steps after which identity's rate is half of what it was
DEVICES = ("cpu", "cuda")
MAXIMUM_STEPS = 1_000_000
SIZES = 32, 2048  # px; a rendering of 2048 needs about 2 GB


@dataclass(frozen=True)
class FitConfig:
    """What may be chosen before a fit.

    steps        updates of the joint stage
    size         side of the photo and the renderings, pixels
    seed         of the second views (Eq. 7)
    informed_prior  the recogniser's embedding says what shape to expect; without it N(0, I), as in the paper
    consistency  several photos have to show the same skin (`consistency.py`); the paper's way is without it
    image_every  keep the rendering in every k-th step; 0 keeps none (render any step later from its parameters)
    device       where the joint stage computes, "cpu" or "cuda"; steps always lie on the CPU
    """

    steps: int = 200
    size: int = 256
    seed: int = 0
    informed_prior: bool = True
    consistency: bool = True
    image_every: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        whole("steps", self.steps, 0, MAXIMUM_STEPS)
        whole("size", self.size, *SIZES)
        whole("seed", self.seed, 0, 2**32 - 1)  # products of it are torch's seeds, which have 64 bits
        whole("image_every", self.image_every, 0, MAXIMUM_STEPS)
        if self.device not in DEVICES:
            raise GanfitError(f"The device must be one of {', '.join(DEVICES)}, not {self.device}.")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise GanfitError("This machine or this build of torch has no CUDA; leave the device at cpu.")


@dataclass(frozen=True)
class FitStep:
    """The whole state at one turn, detached: `losses` and `gradient_norms` belong to `parameters`.

    Step 0 of a stage is the state before its first update. `seconds` is the computing time since the fit began,
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
    config, weights, free = config or FitConfig(), weights or LossWeights(), free or FreeGroups()
    network = network or IdentityNetwork.default()
    (objective,) = objectives(
        [photo], model, network, size=config.size, seed=config.seed, informed_prior=config.informed_prior
    )
    step = start
    if step is None or step.stage == "align":
        for step in align(objective, config, weights, free, start=start):
            yield step
    objective = objective if config.device == "cpu" else objective.to(config.device)
    yield from joint(objective, config, weights, free, start=step)


def align(
    objective: Objective, config: FitConfig, weights: LossWeights, free: FreeGroups, *, start: FitStep | None = None
) -> Iterator[FitStep]:
    """The alignment stage: shape, expression and camera from the landmarks, until they settle."""
    seconds, clock = start.seconds if start else 0.0, perf_counter()
    parameters = start.parameters if start else objective.model.mean_parameters()
    state = start.optimizer if start and isinstance(start.optimizer, NewtonState) else NewtonState()
    first = start.index if start else 0
    for index in range(first, ALIGN_STEPS + 1):
        if not start or index > first:
            terms = weights.only("landmark", "shape_prior")
            evaluation, gradient = evaluate_with_gradient(objective, parameters, terms, "align", index)
            seconds += perf_counter() - clock
            yield fit_step("align", index, parameters, evaluation, gradient, seconds, state, config)
            clock = perf_counter()
        if state.converged:
            break
        energy = landmark_energy([objective.photo], objective.model, objective.shape_prior, [parameters])
        (parameters,), state = damped_update([energy], [parameters], state, free.names(), SETTLED)


def joint(
    objective: Objective, config: FitConfig, weights: LossWeights, free: FreeGroups, *, start: FitStep | None = None
) -> Iterator[FitStep]:
    """The joint stage: every parameter descends E(p) of Eq. 12 by Adam, from a step of either stage or the mean
    face."""
    seconds, clock = start.seconds if start else 0.0, perf_counter()
    device = objective.photo.image.device
    parameters = (start.parameters if start else objective.model.mean_parameters()).to(device)
    if start and isinstance(start.optimizer, AdamState):
        state, first = start.optimizer.to(device), start.index
    else:
        if free.light:
            parameters = parameters.replace(light=first_light(objective.photo, objective.model, parameters))
        state, first, start = AdamState.zero(parameters), 0, None
    for index in range(first, config.steps + 1):
        evaluation, gradient = evaluate_with_gradient(objective, parameters, weights, "joint", index)
        if not start or index > first:
            seconds += perf_counter() - clock
            yield fit_step("joint", index, parameters, evaluation, gradient, seconds, state, config)
            clock = perf_counter()
        rates = learning_rates(parameters, objective.model.morphable, index)
        parameters, state = adam_update(parameters, gradient, rates, state, free.names())


def small_steps(parameters: FaceParameters) -> FaceParameters:
    """A step of every number, such that all change the picture by about as much: the paper's 0.01 for expression and
    colour, the same relative pace for what is counted in mm, and more for texture, which begins at an average person
    and has far to go."""
    camera = torch.tensor([2.0, 2.0, 2.0, 0.3, 0.3, 0.3, 0.01])
    light = torch.tensor([20.0, 20.0, 20.0, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01])
    return FaceParameters(
        identity=torch.full_like(parameters.identity, 0.02),
        expression=torch.full_like(parameters.expression, 0.01),
        texture=torch.full_like(parameters.texture, 0.08),
        camera=camera.to(parameters.camera),
        light=light.to(parameters.light),
    )


def learning_rates(parameters: FaceParameters, model: MorphableModel, index: int) -> FaceParameters:
    """Adam's rate for every number at one step: `small_steps`, but less and ever less for identity.

    Adam moves each coefficient by about its rate at every step, whatever the gradient's size. Modes that move the face
    by more than COARSE are its size and proportions. Of them landmarks and embedding know more than a recogniser's
    gradient does, and they stay nearly where the stages before have left them. Fine modes make the likeness. On a real
    scan and a rendered head, one photo each, 100 steps, distance from the surface, and an independent recogniser's
    similarity for five portraits:

        rate                          scan 1   scan 2   head     likeness
        0.001 / (1 + n/15), all       1.14     1.03     1.12     0.56
        0.02, all                     1.23     1.08     1.22     0.67
        0.02, prior five times        1.16     1.11     1.18     0.62
        0.02, fine modes alone        1.03     0.97     1.13     0.64

    A rate that falls keeps the gain: without it the distance of scan 2 grows by 0.05 mm from step 50 to 200, with it by
    0.01. So the joint stage's 200 steps take scan 1 from 1.11 to 1.06 mm, and scan 2 from 1.03 to 0.99.
    """
    steps = small_steps(parameters)
    identity = torch.where(model.identity_sizes > COARSE, COARSE_RATE, steps.identity)
    return steps.replace(identity=identity / (1 + index / SLOWER))


def evaluate_with_gradient(
    objective: Objective, parameters: FaceParameters, weights: LossWeights, stage: str, index: int
) -> tuple[Evaluation, FaceParameters]:
    """The objective and its gradient with respect to every group; zero where a group plays no part.

    GanfitError when a term or a gradient is no finite number: the step before is the last good state.
    """
    leaves = parameters.map(lambda value: value.detach().clone().requires_grad_())
    evaluation = objective.evaluate(leaves, weights, index)
    _require_finite("term", evaluation.terms, stage, index)
    if not evaluation.terms:
        return evaluation, parameters.map(torch.zeros_like)
    values = [value for _, value in leaves.items()]
    gradients = torch.autograd.grad(evaluation.total, values, allow_unused=True)
    gradient = FaceParameters(
        *(torch.zeros_like(v) if g is None else g for v, g in zip(values, gradients, strict=True))
    )
    _require_finite("gradient of the group", dict(gradient.items()), stage, index)
    return evaluation, gradient


def _require_finite(kind: str, values: Mapping[str, Tensor], stage: str, index: int) -> None:
    for name, value in values.items():
        if not bool(value.norm().isfinite()):  # Adam squares it
            raise GanfitError(
                f"The fit went bad at step {index} of the stage {stage}: the {kind} {name} is no finite number; go on "
                "from the step before it with other weights."
            )


def fit_step(
    stage: str,
    index: int,
    parameters: FaceParameters,
    evaluation: Evaluation,
    gradient: FaceParameters,
    seconds: float,
    state: AdamState | NewtonState,
    config: FitConfig,
) -> FitStep:
    """The detached record of one turn."""
    image = None
    if evaluation.rendering is not None and config.image_every and index % config.image_every == 0:
        image = evaluation.rendering.image.detach().cpu().clone()
    return FitStep(
        stage=stage,
        index=index,
        parameters=parameters.detached().to("cpu"),
        losses={name: float(term.detach()) for name, term in evaluation.terms.items()},
        weights=dict(evaluation.weights),
        gradient_norms={name: float(value.norm()) for name, value in gradient.items()},
        seconds=seconds,
        optimizer=state.to("cpu") if isinstance(state, AdamState) else state,
        image=image,
    )
