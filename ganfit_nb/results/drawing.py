"""Lines, curves and words, drawn twice: as SVG in the reader's theme, and as a picture that stays."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

INK = "currentColor"  # the theme's own text colour in SVG, black in a picture
FONT_SIZE = 11
SCALE = 2  # the picture is drawn twice as large and reduced, so that its curves are smooth

Anchor = Literal["start", "middle", "end"]
Number = int | float  # pixels
Point = tuple[Number, Number]


@dataclass
class Drawing:
    """A drawing of `width` × `height` pixels, y down."""

    width: int
    height: int
    _lines: list[tuple[Point, Point, float]] = field(default_factory=list)
    _curves: list[tuple[list[Point], str, bool]] = field(default_factory=list)
    _texts: list[tuple[Point, str, Anchor, str]] = field(default_factory=list)

    def line(self, x1: Number, y1: Number, x2: Number, y2: Number, *, strong: bool = False) -> None:
        """A thin line, faint or strong."""
        self._lines.append(((x1, y1), (x2, y2), 0.9 if strong else 0.25))

    def curve(self, points: list[Point], colour: str, *, faint: bool = False) -> None:
        """A coloured polyline; a single point is a dash, and none is nothing."""
        if len(points) == 1:
            (x, y) = points[0]
            points = [(x, y), (x + 3, y)]
        if points:
            self._curves.append((points, colour, faint))

    def text(self, x: Number, y: Number, text: str, anchor: Anchor = "start", colour: str = INK) -> None:
        """Words whose baseline begins, is centred or ends at (x, y)."""
        self._texts.append(((x, y), text, anchor, colour))

    def svg(self, label: str) -> str:
        """As SVG text; `label` is read aloud."""
        parts = [
            f'<path d="M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}" stroke="{INK}" stroke-opacity="{opacity}"/>'
            for a, b, opacity in self._lines
        ]
        for points, colour, faint in self._curves:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            look = 'stroke-width="1" stroke-opacity="0.5" stroke-dasharray="3 2"' if faint else 'stroke-width="1.6"'
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" {look}/>')
        parts += [
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{html.escape(text)}</text>'
            for (x, y), text, anchor, colour in self._texts
        ]
        return (
            f'<svg role="img" aria-label="{html.escape(label)}" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" font-family="sans-serif" font-size="{FONT_SIZE}">'
            f"{''.join(parts)}</svg>"
        )

    def picture(self) -> Image.Image:
        """On white."""
        picture = Image.new("RGB", (SCALE * self.width, SCALE * self.height), "white")
        draw, letters = ImageDraw.Draw(picture), font(SCALE * FONT_SIZE)
        for a, b, opacity in self._lines:
            draw.line([_scaled(a), _scaled(b)], (round(255 * (1 - opacity)),) * 3, SCALE)
        for points, colour, faint in self._curves:
            draw.line([_scaled(point) for point in points], colour, SCALE if faint else 2 * SCALE, joint="curve")
        for point, text, anchor, colour in self._texts:
            mark = {"start": "ls", "middle": "ms", "end": "rs"}[anchor]
            draw.text(_scaled(point), text, "black" if colour == INK else colour, letters, anchor=mark)
        return picture.resize((self.width, self.height), Image.Resampling.LANCZOS)


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib, in pixels; Pillow's own lacks signs such as × and ●."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def _scaled(point: Point) -> Point:
    return SCALE * point[0], SCALE * point[1]
