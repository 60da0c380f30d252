"""Compares a photo with a fitted face: rendering, overlay with a wipe, difference, what counts, texture, landmarks."""

from __future__ import annotations

import io
from dataclasses import dataclass

import ipywidgets as widgets
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor
from traitlets import Bool, Enum, observe
from traitlets import Float as FloatTrait

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.skin_seen import SkinSeen
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo
from ganfit_nb.results.export import to_pil
from ganfit_nb.results.overlay import face_region, over_photo
from ganfit_widgets.colour_map import ColourScale
from ganfit_widgets.component import Component, grow

VIEWS = {
    "overlay": "fitted over the photo",
    "photo": "the photo alone",
    "rendering": "the rendering alone",
    "difference": "difference of the two",
    "weight": "what counts as skin",
    "texture": "texture, unrolled",
}
DIFFERENCE = ColourScale(0.0, 0.3, "mean difference of red, green and blue")
DETECTED, PROJECTED = "#ffd400", "#00b7ff"
HIDDEN, TINT = (1.0, 0.1, 0.6), 0.6  # the colour of what does not count, and how much of it at most
HIDDEN_LEGEND = '<span class="ganfit-small"><span style="color:#ff1a99">●</span> counts for nothing: hidden skin</span>'
LEGEND = f'<span style="color:{DETECTED}">●</span> detected <span style="color:{PROJECTED}">●</span> projected'


@dataclass(frozen=True)
class FittedPhoto:
    """What `PhotoView` shows of one step, computed once: all pictures are of the photo's size.

    over    the rendered face over the photo
    region  how much each pixel belongs to the face that is compared
    weight  how much of it counts in the pixel loss (Eq. 10), because it shows skin
    """

    rendering: Float[Tensor, "S S 3"]
    over: Float[Tensor, "S S 3"]
    region: Float[Tensor, "S S 1"]
    weight: Float[Tensor, "S S"]
    texture: Float[Tensor, "H W 3"]
    landmarks: Float[Tensor, "68 2"]

    @classmethod
    @torch.no_grad()
    def of(cls, photo: Photo, model: FaceModel, parameters: FaceParameters, occlusion: bool = True) -> FittedPhoto:
        """Renders the face as the photo shows it. `occlusion` is that of the fit's FitConfig."""
        vertices, texture = model.vertices(parameters), model.texture(parameters.texture)
        rendering = model.render_parts(vertices, texture, parameters, photo.size)
        region = face_region(model, rendering)
        weight = SkinSeen.of(photo, occlusion).weight(model, rendering)
        landmarks = model.landmarks(vertices, parameters.camera, photo.size)
        return cls(rendering.image, over_photo(photo, rendering, region), region, weight, texture, landmarks)


class PhotoView(Component):
    """Compares a photo with a rendering. To use it alone:

        view = PhotoView(photo)
        view.show(FittedPhoto.of(photo, model, step.parameters))
        view

    view       which picture, one of VIEWS
    wipe       the share of an overlay, from the left, that shows the photo itself; 0 to 1
    landmarks  whether the 68 landmarks are drawn, as detected and as projected
    """

    view = Enum(list(VIEWS), "overlay")
    wipe = FloatTrait(0.0, min=0.0, max=1.0)
    landmarks = Bool(False)

    def __init__(self, photo: Photo, *, size: int = 250) -> None:
        self.photo, self.size = photo, size
        self._fitted: FittedPhoto | None = None
        self._image = widgets.Image(format="jpeg", layout={"width": "100%", "margin": "0"})
        self._bar = widgets.HTML()
        self._choice = widgets.Dropdown(
            options=[(words, name) for name, words in VIEWS.items()],
            tooltip="Which picture is shown",
            layout={"width": "auto"},
        )
        self._wipe = widgets.FloatSlider(
            min=0, max=1, step=0.02, readout=False, description="Wipe", tooltip="Uncover the photo from the left"
        )
        self._wipe.style.description_width, self._wipe.layout.width = "40px", "auto"
        self._dots = widgets.Checkbox(
            description="Landmarks", indent=False, tooltip="The 68 landmarks", layout={"width": "95px"}
        )
        self._legend = widgets.HTML()
        self._legend.add_class("ganfit-small")
        last = widgets.HBox([self._dots, self._legend])
        super().__init__([self._image, self._bar, self._choice, self._wipe, last])
        grow(self, size)
        for trait, widget in (("view", self._choice), ("wipe", self._wipe), ("landmarks", self._dots)):
            widgets.link((self, trait), (widget, "value"))
        self.show(None)

    def show(self, fitted: FittedPhoto | None) -> None:
        """Shows a fitted face. None shows the photo alone."""
        self._fitted = fitted
        self._draw()

    def link(self, other: PhotoView) -> None:
        """From now on both have the same view, wipe and landmarks."""
        for name in ("view", "wipe", "landmarks"):
            widgets.link((self, name), (other, name))

    def picture(self) -> Image.Image:
        """The chosen picture."""
        picture = self._drawn(self.size)
        if self._fitted and self.view == "difference":
            bar = DIFFERENCE.draw_bar(self.size)
            picture.paste(bar, (0, self.size - bar.height))
        return picture

    def _drawn(self, size: int) -> Image.Image:
        picture = to_pil(self._chosen()).resize((size, size), Image.Resampling.LANCZOS)
        draw = ImageDraw.Draw(picture)
        if self.view == "overlay" and self._fitted and self.wipe > 0:
            x = round(self.wipe * size)
            draw.line([(x, 0), (x, size)], "white")
        if self.landmarks and self.view != "texture":
            if self._fitted:
                _dots(draw, self._fitted.landmarks * size / self.photo.size, PROJECTED)
            _dots(draw, self.photo.landmarks * size / self.photo.size, DETECTED)
        return picture

    def _chosen(self) -> Float[Tensor, "H W 3"]:
        photo, fitted = self.photo.image, self._fitted
        if fitted is None or self.view == "photo":
            return photo
        if self.view == "rendering":
            return fitted.rendering
        if self.view == "difference":
            return fitted.region * DIFFERENCE.coloured((fitted.rendering - photo).abs().mean(-1))
        if self.view == "weight":
            hidden = TINT * (fitted.region - fitted.weight[..., None]).clamp(min=0)
            return (1 - hidden) * photo + hidden * photo.new_tensor(HIDDEN)
        if self.view == "texture":
            return fitted.texture
        uncovered = torch.arange(photo.shape[1]) < self.wipe * photo.shape[1]
        return torch.where(uncovered[:, None], photo, fitted.over)

    @observe("view", "wipe", "landmarks")
    def _draw(self, _: dict | None = None) -> None:
        data = io.BytesIO()
        self._drawn(2 * self.size).save(data, "JPEG", quality=90)  # the view may grow to twice its size
        self._image.value = data.getvalue()
        self._wipe.disabled = self.view != "overlay"
        bars = {"difference": DIFFERENCE.bar(), "weight": HIDDEN_LEGEND}
        self._bar.value = bars.get(self.view, "") if self._fitted else ""
        self._legend.value = LEGEND if self.landmarks else ""
        self.changed()


def _dots(draw: ImageDraw.ImageDraw, points: Float[Tensor, "n 2"], colour: str) -> None:
    for x, y in points.tolist():
        draw.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), colour)
