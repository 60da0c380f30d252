"""Plays a fit to several photos of one person (Eq. 13): the person, and the fit of every photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import ipywidgets as widgets
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.fitting.free_groups import FreeGroups
from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.fitting.stages import fit_set
from ganfit_nb.fitting.steps import SetStep
from ganfit_nb.photos.photo import Photo
from ganfit_widgets.component import grow, joined
from ganfit_widgets.curve_chart import CurveChart
from ganfit_widgets.fit_settings import FitSettings, Values
from ganfit_widgets.fit_stages import FitStages
from ganfit_widgets.mesh_view import MeshView
from ganfit_widgets.photo_view import FittedPhoto
from ganfit_widgets.picture_view import PictureView, stacked

SIDE = 150  # px, width of a picture


@dataclass(frozen=True)
class _Content:
    vertices: Float[Tensor, "V 3"]
    texture: Float[Tensor, "H W 3"]
    over: list[Float[Tensor, "S S 3"]]
    totals: list[dict[str, float]]


class SetPlayer(FitStages):
    """Plays `fit_set` of several photos of one person. To use it alone:

        player = SetPlayer([Photo.open(path) for path in paths], FaceModel.default(), FitConfig(steps=100))
        display(player)
        await player.finish()  # or press Play

    The mesh is the person, without expression. The fit of each photo is shown below the photo. The switches and sliders
    change `weights` and `free`. Every course keeps its own values, and Restart brings back those of the beginning.
    """

    def __init__(
        self,
        photos: Sequence[Photo],
        model: FaceModel,
        config: FitConfig | None = None,
        weights: LossWeights | None = None,
        free: FreeGroups | None = None,
    ) -> None:
        self.config = config or FitConfig()
        self.model, self._seen = model, model.seen_at(self.config.size)
        self.photos = [photo.at(self.config.size) for photo in photos]
        self._settings = FitSettings(weights or LossWeights(), free or FreeGroups())
        self.weights, self.free = self._settings.weights, self._settings.free
        face = model.morphable
        with torch.no_grad():
            self._texture = self._seen.texture(model.mean_parameters().texture)
        self.mesh = MeshView(face.mean, face.faces, face.uv, self._texture, size=250)
        names = [f"photo {number}" for number in range(1, len(photos) + 1)]
        self._given = [PictureView(name, size=SIDE) for name in names]
        self._fitted = [PictureView(f"{name}, fitted", size=SIDE) for name in names]
        for view, photo in zip(self._given, self.photos, strict=True):
            view.show(photo.image)
        self._chart = CurveChart("objective, by photo")
        pairs = [widgets.VBox(pair) for pair in zip(self._given, self._fitted, strict=True)]
        for pair in pairs:
            grow(pair, SIDE)
        views = widgets.HBox([self.mesh, *pairs, self._chart]).add_class("ganfit-views")
        steps = partial(fit_set, self.photos, model, self.config, self.weights, free=self.free)
        super().__init__(steps, [views, self._settings])
        self.reset()

    def picture(self) -> Image.Image:
        """The person, every photo with its fit below, and the curves."""
        pairs = zip(self._given, self._fitted, strict=True)
        photos = [stacked([given.picture(), fitted.picture()]) for given, fitted in pairs]
        return joined([self.mesh.picture(), *photos, self._chart.picture()])

    def settings(self) -> Values:
        """The present weights and free groups."""
        return self._settings.values()

    def restore(self, settings: Values) -> None:
        """Sets weights and free groups in place, and the switches with them."""
        self._settings.restore(settings)

    def prepare(self, steps: list[SetStep]) -> _Content:
        """The person, each photo with its fit drawn over it, and the history of the objectives."""
        person = steps[-1].shared(self.model)
        fits = zip(self.photos, steps[-1].steps, strict=True)
        with torch.no_grad():
            over = [FittedPhoto.of(photo, self._seen, one.parameters).over for photo, one in fits]
            vertices, texture = self.model.vertices(person), self._seen.texture(person.texture)
        totals = [{f"photo {number}": one.total for number, one in enumerate(step.steps, 1)} for step in steps]
        return _Content(vertices, texture, over, totals)

    def draw(self, content: _Content) -> None:
        """Updates the mesh, the pictures and the curves."""
        self.mesh.show(content.vertices, content.texture)
        for view, image in zip(self._fitted, content.over, strict=True):
            view.show(image)
        self._chart.show(content.totals)
        self._settings.refresh()

    def reset(self) -> None:
        """Shows the mean face, and the photos without a fit."""
        self.mesh.show(self.model.morphable.mean, self._texture)
        for view, photo in zip(self._fitted, self.photos, strict=True):
            view.show(photo.image)
        self._chart.show([])
