"""Colours for numbers on a surface: the map from values to colours, and the colour bar."""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.results.drawing import FONT_SIZE, font

SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"  # colour-blind people can read both
SHADES = 511  # in a picture; the number is odd, so that the middle of a diverging scale is white
BAR_HEIGHT, TEXT_HEIGHT = 10, 16  # px, in the static picture


@dataclass(frozen=True)
class ColourScale:
    """The colours of values between `low` and `high`. Values outside get the colours at the ends.

    label, unit  what the values are, in words
    diverging    whether the scale has two hues that meet at its middle, instead of running from dark to light
    """

    low: float
    high: float
    label: str
    unit: str = ""
    diverging: bool = False

    @classmethod
    def of(
        cls,
        values: Float[Tensor, " V"],
        label: str,
        unit: str = "",
        limits: tuple[float, float] | None = None,
        diverging: bool = False,
    ) -> ColourScale:
        """The scale for some values. Without `limits` it covers all finite values; a diverging one is centred at zero.

        Raises GanfitError when there is no finite value, or when the limits are not ascending.
        """
        finite = values[values.isfinite()]
        if limits is None and not len(finite):
            raise GanfitError(f"{label}: none of the values is a finite number; there is nothing to show.")
        low, high = limits or (float(finite.min()), float(finite.max()))
        if limits is None and diverging:
            low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
        if limits is None and low == high:
            high = low + 1.0
        if not low < high:
            raise GanfitError(f"{label}: the limits must be ascending, not {low:g} to {high:g}.")
        return cls(low, high, label, unit, diverging)

    def places(self, values: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """The place of each value between low (0) and high (1)."""
        return ((values - self.low) / (self.high - self.low)).clamp(0.0, 1.0)

    def colours(self, count: int) -> np.ndarray:
        """The colours from low to high as (count, 3) bytes."""
        from matplotlib import colormaps  # its import is slow, and it is needed only for numbers

        name = DIVERGING if self.diverging else SEQUENTIAL
        return colormaps[name](np.linspace(0.0, 1.0, count), bytes=True)[:, :3]

    def coloured(self, values: Float[Tensor, "H W"]) -> Float[Tensor, "H W 3"]:
        """A picture of the values: RGB in [0, 1]."""
        colours = torch.from_numpy(self.colours(SHADES).copy()).float() / 255
        return colours[(self.places(values) * (SHADES - 1)).round().long()]

    def bar(self) -> str:
        """The colour bar as HTML."""
        stops = ",".join(f"rgb({r},{g},{b})" for r, g, b in self.colours(12))
        ends = f"<span>{self.low:.3g}</span><span>{html.escape(self._title())}</span><span>{self.high:.3g}</span>"
        return (
            f'<div class="ganfit-bar" style="background:linear-gradient(to right,{stops})"></div>'
            f'<div class="ganfit-bar-ends">{ends}</div>'
        )

    def draw_bar(self, width: int) -> Image.Image:
        """The colour bar as a picture."""
        picture = Image.new("RGB", (width, BAR_HEIGHT + TEXT_HEIGHT), "white")
        picture.paste(Image.fromarray(self.colours(width)[None].repeat(BAR_HEIGHT, 0)))
        draw = ImageDraw.Draw(picture)
        for x, text, anchor in ((2, f"{self.low:.3g}", "la"), (width - 2, f"{self.high:.3g}", "ra")):
            draw.text((x, BAR_HEIGHT + 1), text, "black", font(FONT_SIZE), anchor=anchor)
        draw.text((width / 2, BAR_HEIGHT + 1), self._title(), "black", font(FONT_SIZE), anchor="ma")
        return picture

    def _title(self) -> str:
        return f"{self.label} ({self.unit})" if self.unit else self.label
