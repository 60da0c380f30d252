"""Curves on a logarithmic axis, step by step. They are drawn in a millisecond and readable in a dark theme."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as widgets
from PIL import Image

from ganfit_nb.results.curves import COLOURS, WIDTH, History, draw_curves
from ganfit_widgets.component import Component, grow


class CurveChart(Component):
    """Named curves against the number of the step, such as the weighted terms λ L of Eq. 12. To use it alone:

    chart = CurveChart("weight × loss")
    chart.show([step.losses for step in steps], [step.stage for step in steps])
    chart
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._colours: dict[str, str] = {}  # by the name of a curve, so that a name keeps its colour
        self._view = widgets.HTML()
        super().__init__([self._view])
        self.add_class("ganfit-chart")
        grow(self, WIDTH, 1.4)  # the letters grow with it
        self.show([])

    def show(self, history: History, stages: Sequence[str] = (), at: int | None = None, before: History = ()) -> None:
        """Shows a history: one mapping {curve: value} for each step. A curve may be missing at some steps.

        stages  the stage of each step
        at      the step that is marked
        before  an earlier history, which is drawn faintly
        """
        names = dict.fromkeys(name for values in (*before, *history) for name in values)
        for name in names:
            self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        colours = {name: colour for name, colour in self._colours.items() if name in names}
        self._drawing = draw_curves(self.title, history, stages, at, before, colours)
        self._view.value = self._drawing.svg(self.title)
        self.changed()

    def picture(self) -> Image.Image:
        """The chart on a white background."""
        return self._drawing.picture()
