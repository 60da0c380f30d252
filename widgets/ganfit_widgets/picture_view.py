"""Shows a picture with a line of text below it. The picture can be replaced."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence

import ipywidgets as widgets
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from ganfit_nb.results.drawing import FONT_SIZE, font
from ganfit_nb.results.export import to_pil
from ganfit_widgets.component import Component, grow

CAPTION = 18  # px, height


def stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    """Joins pictures from top to bottom on white."""
    width, height = max(p.width for p in pictures), sum(p.height for p in pictures)
    sheet, y = Image.new("RGB", (width, height), "white"), 0
    for each in pictures:
        sheet.paste(each, (0, y))
        y += each.height
    return sheet


def at_least(picture: Image.Image, height: int) -> Image.Image:
    """The picture, with white added below up to a height, so that a component's picture keeps its size."""
    sheet = Image.new("RGB", (picture.width, max(height, picture.height)), "white")
    sheet.paste(picture)
    return sheet


class PictureView(Component):
    """A picture `size` px wide, or up to twice that in a wide window. To use it alone:

        view = PictureView("the rendering", size=200)
        display(view)
        view.show(model.render(parameters, 128).image)

    With `crisp`, enlarged pixels are squares with sharp edges.
    """

    def __init__(self, caption: str, *, size: int = 190, crisp: bool = False) -> None:
        self.size, self.crisp = size, crisp
        self._image = widgets.Image(format="png" if crisp else "jpeg", layout={"width": "100%", "margin": "0"})
        self._caption = widgets.HTML(layout={"width": "100%", "margin": "0"})
        self._shown: Image.Image | None = None
        super().__init__([self._image, self._caption])
        self.caption = caption
        grow(self, size)
        if crisp:
            self._image.add_class("ganfit-crisp")

    @property
    def caption(self) -> str:
        """The line below the picture."""
        return self._words

    @caption.setter
    def caption(self, text: str) -> None:
        self._words = text
        self._caption.value = f'<div class="ganfit-caption">{html.escape(text)}</div>'
        self.changed()

    def show(self, image: Float[Tensor, "H W 3"] | Image.Image) -> None:
        """Replaces the picture. A tensor has display values in [0, 1]."""
        picture = image if isinstance(image, Image.Image) else to_pil(image)
        if self.crisp:
            height = round(self.size * picture.height / picture.width)
            picture = picture.resize((self.size, height), Image.Resampling.NEAREST)
        data = io.BytesIO()
        picture.save(data, self._image.format.upper(), **({} if self.crisp else {"quality": 90}))
        self._shown, self._image.value = picture, data.getvalue()
        self.changed()

    def picture(self) -> Image.Image:
        """The picture over its caption."""
        shown = self._shown or Image.new("RGB", (self.size, self.size), "white")
        height = round(self.size * shown.height / shown.width)
        sheet = Image.new("RGB", (self.size, height + CAPTION), "white")
        sheet.paste(shown.resize((self.size, height), Image.Resampling.LANCZOS))
        ImageDraw.Draw(sheet).text((self.size / 2, height + 3), self.caption, "black", font(FONT_SIZE), anchor="ma")
        return sheet
