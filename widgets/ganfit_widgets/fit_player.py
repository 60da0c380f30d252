"""A fit, live: the mesh, the rendering over the photo and the loss curves, with Play, Pause and Step."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import ipywidgets as widgets
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ganfit_nb.export import to_pil
from ganfit_nb.face_model import FaceModel
from ganfit_nb.fitting import FitStep
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photo import Photo
from ganfit_nb.result import overlay
from ganfit_widgets.loss_chart import LossChart
from ganfit_widgets.mesh_view import MeshView
from ganfit_widgets.step_player import StepPlayer

SIDE = 250  # pixels of the mesh and of the photo: all views side by side in a page 1000 pixels wide
RATE_OVER = 10  # steps the step rate is averaged over


@dataclass(frozen=True)
class _Content:
    vertices: Float[Tensor, "V 3"]
    texture: Float[Tensor, "H W 3"]
    overlay: bytes
    losses: list[dict[str, float]]
    stages: list[str]


class FitPlayer(StepPlayer):
    """Plays the FitSteps of `fit` (or of any generator of them); alone in three lines:

        player = FitPlayer(lambda: fit(photo, model, config), model, photo)
        display(player)
        await player.finish()  # or press Play

    `photo` should have the size of the fit (`photo.at(config.size)`): the rendering is laid over it.
    """

    def __init__(
        self, steps: Iterator[FitStep] | Callable[[], Iterator[FitStep]], model: FaceModel, photo: Photo
    ) -> None:
        self.model, self.photo = model, photo
        with torch.no_grad():
            mean = model.mean_parameters()
            self._mean = model.vertices(mean), model.texture(mean.texture)
        vertices, texture = self._mean
        self.mesh = MeshView(vertices, model.morphable.faces, model.morphable.uv, texture, size=SIDE)
        self.overlay = widgets.Image(format="jpeg", width=SIDE, height=SIDE)
        self.chart = LossChart()
        views = widgets.HBox(
            [self.mesh, self.overlay, self.chart],
            layout={"flex_flow": "row wrap", "align_items": "flex-start", "grid_gap": "6px"},
        )
        super().__init__(steps, (views,))
        self.reset()

    def picture(self) -> Image.Image:
        """The newest step as one picture that stays in a saved notebook: photo | fitted over it | geometry | texture |
        without light | difference."""
        with torch.no_grad():
            return overlay(self.photo, self.model, self.steps[-1])

    def describe(self, steps: list[FitStep]) -> str:
        """Stage, step, rate and computing time."""
        step, recent = steps[-1], steps[-1 - RATE_OVER :]
        rate = (len(recent) - 1) / max(step.seconds - recent[0].seconds, 1e-9)
        return f"<b>{step.stage}</b> step {step.index} · {step.seconds:.1f} s · {rate:.1f} steps/s"

    def prepare(self, steps: list[FitStep]) -> _Content:
        """The pictures of the last of `steps`, and the losses of all."""
        parameters = steps[-1].parameters
        with torch.no_grad():
            return _Content(
                vertices=self.model.vertices(parameters),
                texture=self.model.texture(parameters.texture),
                overlay=_jpeg(self._over_photo(parameters)),
                losses=[{name: s.weights[name] * value for name, value in s.losses.items()} for s in steps],
                stages=[s.stage for s in steps],
            )

    def draw(self, content: _Content) -> None:
        """Updates the three views."""
        self.mesh.show(content.vertices, content.texture)
        self.overlay.value = content.overlay
        self.chart.show(content.losses, content.stages)

    def reset(self) -> None:
        """The mean face beside the photo."""
        self.mesh.show(*self._mean)
        self.overlay.value = _jpeg(self.photo.image)
        self.chart.show([])

    def _over_photo(self, parameters: FaceParameters) -> Float[Tensor, "H W 3"]:
        rendering = self.model.render(parameters, self.photo.image.shape[0])
        region = rendering.interpolate(self.model.morphable.pixel_region[:, None])  # the face that is compared: no hair
        return region * rendering.image + (1 - region) * self.photo.image


def _jpeg(image: Float[Tensor, "H W 3"]) -> bytes:
    data = io.BytesIO()
    to_pil(image).save(data, "JPEG", quality=90)
    return data.getvalue()
