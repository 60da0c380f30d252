"""Shows the share of a model's variance that its first modes hold, as curves."""

from __future__ import annotations

from collections.abc import Mapping

import ipywidgets as widgets
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ganfit_nb.face.morphable import variance_shares
from ganfit_nb.results.curves import COLOURS
from ganfit_nb.results.drawing import Drawing
from ganfit_widgets.component import Component

WIDTH, HEIGHT = 400, 300
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 44, 24


class Spectrum(Component):
    """The cumulative share of the variance against the number of modes. To use it alone:

    spectrum = Spectrum({"identity": model.identity_basis, "expression": model.expression_basis})
    spectrum
    """

    def __init__(self, bases: Mapping[str, Float[Tensor, "_ V 3"]]) -> None:
        self._drawing = _draw(
            {name: (100 * variance_shares(basis).cumsum(0)).tolist() for name, basis in bases.items()}
        )
        super().__init__([widgets.HTML(self._drawing.svg("share of the variance"))])

    def picture(self) -> Image.Image:
        """The chart on a white background."""
        return self._drawing.picture()


def _draw(curves: Mapping[str, list[float]]) -> Drawing:
    drawing, last = Drawing(WIDTH, HEIGHT), max(len(curve) for curve in curves.values())

    def x(modes: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (modes - 1) / max(last - 1, 1)

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share / 100

    drawing.text(LEFT, 14, "share of the variance that the first modes hold")
    for share in (0, 25, 50, 75, 100):
        drawing.line(LEFT, y(share), WIDTH - RIGHT, y(share))
        drawing.text(LEFT - 5, y(share) + 4, f"{share} %", "end")
    for modes in {1, *range(20, last, 20), last}:
        drawing.text(x(modes), HEIGHT - 8, f"{modes}", "middle")
    for row, (name, curve) in enumerate(curves.items()):
        drawing.curve([(x(k), y(share)) for k, share in enumerate(curve, 1)], COLOURS[row % len(COLOURS)])
        drawing.text(LEFT + 120 * row, 32, f"● {name}", colour=COLOURS[row % len(COLOURS)])
    return drawing
