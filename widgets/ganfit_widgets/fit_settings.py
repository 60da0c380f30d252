"""The weights and free groups of a fit as switches and sliders, and as values to be kept and given back."""

from __future__ import annotations

from dataclasses import asdict

import ipywidgets as widgets

from ganfit_nb.fitting.free_groups import FreeGroups
from ganfit_nb.fitting.losses import LossWeights
from ganfit_widgets.group_toggles import GroupToggles
from ganfit_widgets.loss_controls import LossControls

Values = tuple[dict[str, float], dict[str, bool]]


class FitSettings(widgets.VBox):
    """LossControls over GroupToggles; `weights` and `free` are changed in place."""

    def __init__(self, weights: LossWeights, free: FreeGroups) -> None:
        self.weights, self.free = weights, free
        self.controls, self.groups = LossControls(weights), GroupToggles(free)
        super().__init__([self.controls, self.groups])

    def values(self) -> Values:
        """The present ones."""
        return asdict(self.weights), asdict(self.free)

    def restore(self, values: Values) -> None:
        """Makes these the present ones."""
        weights, free = values
        for name, weight in weights.items():
            setattr(self.weights, name, weight)
        for name, moves in free.items():
            setattr(self.free, name, moves)
        self.refresh()

    def refresh(self) -> None:
        """Shows the present ones, after a program changed them."""
        self.controls.refresh()
        self.groups.refresh()
