"""Shows the weights and free groups of a fit as switches and sliders, and saves and restores their values."""

from __future__ import annotations

from dataclasses import asdict

import ipywidgets as widgets

from ganfit_nb.fitting.free_groups import FreeGroups
from ganfit_nb.fitting.losses import LossWeights
from ganfit_widgets.group_toggles import GroupToggles
from ganfit_widgets.loss_controls import LossControls

Values = tuple[dict[str, float], dict[str, bool]]


class FitSettings(widgets.VBox):
    """LossControls above GroupToggles. They change `weights` and `free` in place."""

    def __init__(self, weights: LossWeights, free: FreeGroups) -> None:
        self.weights, self.free = weights, free
        self.controls, self.groups = LossControls(weights), GroupToggles(free)
        super().__init__([self.controls, self.groups])

    def values(self) -> Values:
        """The present weights and free groups."""
        return asdict(self.weights), asdict(self.free)

    def restore(self, values: Values) -> None:
        """Sets weights and free groups to these values."""
        weights, free = values
        for name, weight in weights.items():
            setattr(self.weights, name, weight)
        for name, moves in free.items():
            setattr(self.free, name, moves)
        self.refresh()

    def refresh(self) -> None:
        """Shows the present weights and free groups, after a program changed them."""
        self.controls.refresh()
        self.groups.refresh()
