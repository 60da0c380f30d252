"""A switch and a slider for every term of the objective (Eq. 12). They also work while a fit runs."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import ipywidgets as widgets
from PIL import Image

from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.results.drawing import Drawing
from ganfit_widgets.component import Component

DECADES = 2  # a slider runs from a hundredth to a hundred times the usual weight
MEANINGS = {
    "identity": "how far apart the recogniser sees photo and rendering (Eq. 8)",
    "second_identity": "the same for a second rendering, from another side and in another light (Eq. 7)",
    "content": "the recogniser's inner activations of photo and rendering (Eq. 9)",
    "pixel": "colours of photo and rendering (Eq. 10)",
    "landmark": "distances of the landmarks, in pixels (Eq. 11)",
    "shape_prior": "how unusual identity and expression are (Eq. 12)",
    "light_prior": "how unusual the light is (Eq. 12)",
    "texture_prior": "how unusual the skin is",
}


class LossControls(Component):
    """Changes `weights` in place. A fit that reads them follows from its next step on. To use it alone:

        weights = LossWeights()
        display(LossControls(weights))
        for step in fit(photo, model, config, weights): ...

    A term that is switched off has weight 0. When it is switched on again, it gets the weight of the slider.
    """

    def __init__(self, weights: LossWeights) -> None:
        self.weights = weights
        self.switches: dict[str, widgets.Checkbox] = {}
        self.sliders: dict[str, widgets.FloatLogSlider] = {}
        grid = widgets.Box([self._row(name, usual) for name, usual in asdict(LossWeights()).items()])
        grid.add_class("ganfit-grid")
        super().__init__([grid])
        self.refresh()

    def refresh(self) -> None:
        """Shows the present weights, after a program changed them."""
        for name, weight in asdict(self.weights).items():
            if weight > 0:
                slider = self.sliders[name]
                slider.min, slider.max = min(slider.min, math.log10(weight)), max(slider.max, math.log10(weight))
                slider.value = weight
            self.switches[name].value = weight != 0

    def picture(self) -> Image.Image:
        """The weights as a table."""
        drawing = Drawing(186, 16 * len(self.switches) + 6)
        for row, (name, weight) in enumerate(asdict(self.weights).items(), start=1):
            drawing.text(4, 16 * row, name.replace("_", " "))
            drawing.text(180, 16 * row, f"{weight:.3g}" if weight else "off", "end")
        return drawing.picture()

    def _row(self, name: str, usual: float) -> widgets.HBox:
        words, exponent = name.replace("_", " "), math.log10(usual)
        self.switches[name] = switch = widgets.Checkbox(
            description=words, indent=False, tooltip=f"{words}: {MEANINGS[name]}", layout={"width": "130px"}
        )
        self.sliders[name] = slider = widgets.FloatLogSlider(
            value=usual,
            min=exponent - DECADES,
            max=exponent + DECADES,
            step=0.05,
            readout_format=".3g",
            tooltip=f"Weight of {words}; usually {usual:g}",
            layout={"width": "230px"},
        )
        slider.observe(lambda _: self._take(name), "value")
        switch.observe(lambda _: self._take(name), "value")
        return widgets.HBox([switch, slider])

    def _take(self, name: str) -> None:
        """Sets the weight to the value of its widgets."""
        on: Any = self.switches[name].value
        self.sliders[name].disabled = not on
        setattr(self.weights, name, self.sliders[name].value if on else 0.0)
        self.changed()
