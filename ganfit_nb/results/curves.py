"""Curves on a logarithmic axis, step by step: drawn in a millisecond, sharp, and readable in a dark theme."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ganfit_nb.results.drawing import Drawing, Number

WIDTH, HEIGHT = 294, 250
LEFT, RIGHT, TOP, BOTTOM = 42, 110, 22, 20  # margins; the legend stands at the right
DECADES = 5  # what is smaller than 1e-5 of the largest value is left out
POINTS = 150  # of a curve at most, about one a pixel
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f")  # told apart by all

History = Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class _Axes:
    """Pixels of a step and of a power of ten."""

    last: int
    top: int
    bottom: int

    def x(self, step: Number) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / self.last

    def y(self, exponent: Number) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.top - exponent) / (self.top - self.bottom)

    def curve(self, history: History, name: str) -> list[tuple[float, float]]:
        every = math.ceil(len(history) / POINTS)
        return [
            (self.x(step), self.y(math.log10(values[name])))
            for step, values in enumerate(history)
            if 10.0**self.bottom <= values.get(name, 0) < math.inf and (step % every == 0 or step == len(history) - 1)
        ]


def draw_curves(
    title: str,
    history: History,
    stages: Sequence[str] = (),
    at: int | None = None,
    before: History = (),
    colours: Mapping[str, str] | None = None,
) -> Drawing:
    """Named curves against the number of the step: one mapping {curve: value} a step; a curve may be missing from some.

    stages   names each step's stage, `at` marks a step, `before` is an earlier history, drawn faintly
    colours  every curve's name and colour, in the legend's order; else each takes the next of COLOURS
    """
    if colours is None:
        names = dict.fromkeys(name for values in (*before, *history) for name in values)
        colours = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(names)}
    drawing = Drawing(WIDTH, HEIGHT)
    if not history:
        drawing.text(LEFT, 12, f"{title}: no step yet")
        return drawing
    top, bottom = _decades([value for values in (*before, *history) for value in values.values()])
    axes = _Axes(max(len(history), len(before), 2) - 1, top, bottom)
    drawing.text(LEFT, 12, title)
    drawing.text(axes.x(axes.last), HEIGHT - 6, f"step {max(len(history), len(before))}", "end")
    for exponent in range(bottom, top + 1):
        drawing.line(LEFT, axes.y(exponent), axes.x(axes.last), axes.y(exponent))
        drawing.text(LEFT - 4, axes.y(exponent) + 4, f"{10.0**exponent:g}", "end")
    for step in range(1, len(stages)):
        if stages[step] != stages[step - 1]:
            drawing.line(axes.x(step), TOP, axes.x(step), HEIGHT - BOTTOM)
            drawing.text(axes.x(step) + 3, TOP + 10, stages[step])
    for row, (name, colour) in enumerate(colours.items()):
        drawing.curve(axes.curve(before, name), colour, faint=True)
        drawing.curve(axes.curve(history, name), colour)
        drawing.text(WIDTH - RIGHT + 8, TOP + 12 + 17 * row, f"● {name.replace('_', ' ')}", colour=colour)
    if at is not None:
        drawing.line(axes.x(at), TOP, axes.x(at), HEIGHT - BOTTOM, strong=True)
    return drawing


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """Exponents of ten above and below the values."""
    positive = [value for value in values if value > 0 and math.isfinite(value)]
    if not positive:
        return 0, -1
    top = math.ceil(math.log10(max(positive)))
    bottom = max(math.floor(math.log10(min(positive))), top - DECADES)
    return top, min(bottom, top - 1)
