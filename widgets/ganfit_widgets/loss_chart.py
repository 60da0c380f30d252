"""Loss curves by term on a logarithmic axis, as SVG: drawn in a millisecond, sharp, and readable in a dark theme."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import ipywidgets as widgets

WIDTH, HEIGHT = 290, 250
LEFT, RIGHT, TOP, BOTTOM = 42, 98, 22, 20  # margins; the legend stands at the right
DECADES = 5  # what is smaller than 1e-5 of the largest value is left out
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f")  # told apart by all


class LossChart(widgets.HTML):
    """The weighted terms λ L of Eq. 12 against the number of the step."""

    def show(self, history: Sequence[Mapping[str, float]], stages: Sequence[str] = ()) -> None:
        """One mapping {term: value} a step; a term may be missing from some. `stages` names each step's stage."""
        self.value = svg(history, stages)


def svg(history: Sequence[Mapping[str, float]], stages: Sequence[str] = ()) -> str:
    """The chart of `LossChart.show`, as text."""
    if not history:
        return _svg([_text(LEFT, 12, "weight × loss: no step yet")])
    terms = list(dict.fromkeys(name for losses in history for name in losses))
    top, bottom = _decades([value for losses in history for value in losses.values()])
    last = max(len(history) - 1, 1)

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / last

    def y(exponent: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (top - exponent) / (top - bottom)

    parts = [_text(LEFT, 12, "weight × loss"), _text(x(last), HEIGHT - 6, f"step {len(history) - 1}", "end")]
    for exponent in range(bottom, top + 1):
        parts.append(_line(LEFT, y(exponent), x(last), y(exponent)))
        parts.append(_text(LEFT - 4, y(exponent) + 4, f"{10.0**exponent:g}", "end"))
    for step in range(1, len(stages)):
        if stages[step] != stages[step - 1]:
            parts += [_line(x(step), TOP, x(step), HEIGHT - BOTTOM), _text(x(step) + 3, TOP + 10, stages[step])]
    for row, (term, colour) in enumerate(zip(terms, _cycle(COLOURS, len(terms)), strict=True)):
        points = [
            f"{x(step):.1f},{y(math.log10(losses[term])):.1f}"
            for step, losses in enumerate(history)
            if 10.0**bottom <= losses.get(term, 0) < math.inf
        ]
        parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        parts.append(_text(WIDTH - RIGHT + 8, TOP + 12 + 17 * row, f"● {term.replace('_', ' ')}", colour=colour))
    return _svg(parts)


def _svg(parts: list[str]) -> str:
    return (
        f'<svg role="img" aria-label="loss curves" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="11">{"".join(parts)}</svg>'
    )


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """Exponents of ten above and below the values."""
    positive = [value for value in values if value > 0 and math.isfinite(value)]
    if not positive:
        return 0, -1
    top = math.ceil(math.log10(max(positive)))
    bottom = max(math.floor(math.log10(min(positive))), top - DECADES)
    return top, min(bottom, top - 1)


def _cycle(colours: Sequence[str], count: int) -> list[str]:
    return [colours[i % len(colours)] for i in range(count)]


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="currentColor" stroke-opacity="0.25"/>'


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = "currentColor") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'
