"""Adam (Kingma and Ba 2015, Algorithm 1) as a pure function: its state is plain data, so a FitStep can carry it.

torch.optim.Adam updates in place and knows one rate per tensor; here every number has its own, since a camera position
in millimetres and a focal length share a vector.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch

from ganfit_nb.fitting.views import Views
from ganfit_nb.parameters import FaceParameters

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class AdamState:
    """First and second moments of the gradient, and how many updates each group has had."""

    counts: Mapping[str, int]
    first: FaceParameters
    second: FaceParameters

    @classmethod
    def zero(cls, parameters: FaceParameters) -> AdamState:
        """The state before the first update."""
        counts = {name: 0 for name, _ in parameters.items()}
        return cls(counts, parameters.map(torch.zeros_like), parameters.map(torch.zeros_like))

    @classmethod
    def together(cls, views: Views, states: Sequence[AdamState]) -> AdamState:
        """The states of single views as one; they have had equally many updates."""
        first, second = (views.together([getattr(state, name) for state in states]) for name in ("first", "second"))
        return cls(states[0].counts, first, second)

    def of(self, views: Views, view: int) -> AdamState:
        """The part of one view."""
        return AdamState(self.counts, views.apart(self.first)[view], views.apart(self.second)[view])

    def to(self, device: torch.device | str) -> AdamState:
        """The same moments on another device."""
        return AdamState(self.counts, self.first.to(device), self.second.to(device))


def adam_update(
    parameters: FaceParameters,
    gradient: FaceParameters,
    rates: FaceParameters,
    state: AdamState,
    free: Collection[str] | None = None,
) -> tuple[FaceParameters, AdamState]:
    """One update of every number at its own rate. New records; nothing is changed in place.

    Groups that are not among the `free` ones keep their values and their moments, as if the update had not been.
    """
    counts, updated, first, second = dict(state.counts), {}, {}, {}
    for name, value in parameters.items():
        if free is not None and name not in free:
            continue
        counts[name] = count = counts[name] + 1
        g = getattr(gradient, name)
        m = BETA1 * getattr(state.first, name) + (1 - BETA1) * g
        v = BETA2 * getattr(state.second, name) + (1 - BETA2) * g * g
        step = (m / (1 - BETA1**count)) / ((v / (1 - BETA2**count)).sqrt() + EPSILON)
        updated[name], first[name], second[name] = value - getattr(rates, name) * step, m, v
    return parameters.replace(**updated), AdamState(
        counts, state.first.replace(**first), state.second.replace(**second)
    )
