"""One turn of the loop: the objective with its gradient, and the record that the caller gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.fitting.adam import AdamState
from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.fitting.gauss_newton import NewtonState
from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.fitting.objective import Evaluation, Objective
from ganfit_nb.fitting.steps import FitStep, SetStep
from ganfit_nb.fitting.views import SHARED
from ganfit_nb.parameters import FaceParameters

LARGEST = 1e18  # Adam squares a gradient
Key = tuple[str, str]  # what a number is of, and the name of the term or the group


@dataclass(frozen=True)
class Found:
    """The objective at some parameters, and its gradient with respect to every group."""

    parameters: FaceParameters
    evaluation: Evaluation
    gradient: FaceParameters

    def beside(self, terms: dict[str, Tensor]) -> Found:
        """The same with further terms of weight 1."""
        at = self.evaluation
        weights = at.weights | dict.fromkeys(terms, 1.0)
        return Found(self.parameters, Evaluation(at.terms | terms, weights, at.rendering), self.gradient)


def evaluated(objective: Objective, parameters: FaceParameters, weights: LossWeights, index: int) -> Found:
    """The objective and its gradient; zero where a group plays no part. What a person's views share has their mean."""
    leaves = parameters.map(lambda value: value.detach().clone().requires_grad_())
    evaluation = objective.evaluate(leaves, weights, index)
    if not evaluation.terms:
        return Found(parameters, evaluation, parameters.map(torch.zeros_like))
    values = [value for _, value in leaves.items()]
    slopes = torch.autograd.grad(evaluation.totals.sum(), values, allow_unused=True)
    gradient = FaceParameters(*(torch.zeros_like(v) if g is None else g for v, g in zip(values, slopes, strict=True)))
    gradient = gradient.replace(**{name: objective.views.mean(getattr(gradient, name)) for name in SHARED})
    return Found(parameters, evaluation, gradient)


def set_steps(
    objective: Objective,
    found: Found,
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
