"""A column of sliders whose values are one trait."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import ipywidgets as widgets
from traitlets import Tuple, observe


class Sliders(widgets.VBox):
    """One slider for each label. `values` holds the numbers of all sliders; setting it moves them.

    A number outside a slider's range is kept, and the slider stands at its end.
    """

    values = Tuple()

    def __init__(
        self,
        labels: Sequence[str],
        *,
        limits: tuple[float, float] = (-3.0, 3.0),
        tooltips: Sequence[str] | None = None,
        label_width: str = "110px",
        height: str | None = None,
    ) -> None:
        self._following = False
        self._sliders = [
            widgets.FloatSlider(
                value=0.0,
                min=limits[0],
                max=limits[1],
                step=0.05,
                description=label,
                tooltip=tooltip,
                readout_format=".2f",
                style={"description_width": label_width},
                layout={"width": "98%", "flex": "0 0 auto"},
            )
            for label, tooltip in zip(labels, tooltips or labels, strict=True)
        ]
        for number, slider in enumerate(self._sliders):
            slider.observe(partial(self._moved, number), "value")
        layout = {"max_height": height, "overflow": "hidden auto", "display": "block"} if height else {}
        super().__init__(self._sliders, values=(0.0,) * len(labels), layout=layout)

    def _moved(self, number: int, change: dict) -> None:
        if not self._following:
            self.values = (*self.values[:number], change["new"], *self.values[number + 1 :])

    @observe("values")
    def _follow(self, _: dict) -> None:
        self._following = True
        try:
            for slider, value in zip(self._sliders, self.values, strict=True):
                slider.value = value
        finally:
            self._following = False
