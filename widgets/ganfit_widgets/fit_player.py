"""A fit, live: the mesh, the rendering over the photo, the curves, and every weight and group within reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ipywidgets as widgets
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ganfit_nb.animation import write_animation
from ganfit_nb.errors import GanfitError
from ganfit_nb.face_model import FaceModel
from ganfit_nb.fitting import FitConfig, FitStep, fit
from ganfit_nb.free_groups import FreeGroups
from ganfit_nb.losses import LossWeights
from ganfit_nb.photo import Photo
from ganfit_nb.result import Result
from ganfit_widgets.component import joined
from ganfit_widgets.curve_chart import CurveChart
from ganfit_widgets.export_panel import ExportPanel
from ganfit_widgets.group_toggles import GroupToggles
from ganfit_widgets.loss_controls import LossControls
from ganfit_widgets.mesh_view import MeshView
from ganfit_widgets.photo_view import FittedPhoto, PhotoView
from ganfit_widgets.step_player import WORKER, StepPlayer

SIDE = 250  # pixels of the mesh and of the photo: all views side by side in a page 1000 pixels wide
SKIN, DISPLACEMENT = "the skin", "displacement from the mean"
LOSSES, GRADIENTS = "weight × loss", "gradient norm"
OFFERS = {
    "mesh.glb": ["mesh.glb"],
    "mesh.zip": ["mesh.obj", "mesh.mtl", "texture.png", "neutral.obj"],
    "fit.json": ["fit.json"],
    "fit.gif": ["fit.gif"],
}


@dataclass(frozen=True)
class _Content:
    step: FitStep
    at: int | None
    vertices: Float[Tensor, "V 3"]
    fitted: FittedPhoto


class FitPlayer(StepPlayer):
    """Plays a fit of `model` to `photo`. Alone in three lines:

        player = FitPlayer(Photo.open("portrait.jpg"), FaceModel.default(), FitConfig(steps=100))
        display(player)
        await player.finish()  # or press Play

    `weights` and `free` are those of the switches and sliders; change them anywhere else, too. `steps` plays another
    generator of FitSteps, or a function that returns one and takes `start`, instead of `fit`.
    """

    def __init__(
        self,
        photo: Photo,
        model: FaceModel,
        config: FitConfig | None = None,
        weights: LossWeights | None = None,
        free: FreeGroups | None = None,
        *,
        steps: Iterator[FitStep] | Callable[..., Iterator[FitStep]] | None = None,
    ) -> None:
        self.model, self.config = model, config or FitConfig()
        self.weights, self.free = weights or LossWeights(), free or FreeGroups()
        self.photo = photo.at(self.config.size)
        self._seen = model.seen_at(SIDE)
        with torch.no_grad():
            mean = model.mean_parameters()
            self._mean = model.vertices(mean), self._seen.texture(mean.texture)
        self._before: list[FitStep] = []  # the steps of the course that the last branch left
        self.mesh = MeshView(self._mean[0], model.morphable.faces, model.morphable.uv, self._mean[1], size=SIDE)
        self.view = PhotoView(self.photo, size=SIDE)
        self.chart = CurveChart(LOSSES)
        self.controls, self.groups = LossControls(self.weights), GroupToggles(self.free)
        self.export_panel = ExportPanel(self.export, OFFERS, WORKER)
        self.colours = _choice("What colours the mesh", [SKIN, DISPLACEMENT], self._colour)
        self.curves = _choice("What the curves show", [LOSSES, GRADIENTS], self._draw_curves)
        views = widgets.HBox(
            [widgets.VBox([self.mesh, self.colours]), self.view, widgets.VBox([self.chart, self.curves])]
        )
        views.add_class("ganfit-views")
        if steps is None:
            steps = partial(fit, self.photo, model, self.config, self.weights, free=self.free)
        super().__init__(steps, [views, self.controls, self.groups, self.export_panel])
        self.reset()

    def export(self, directory: Path | str) -> None:
        """Writes the shown step as `ganfit fit` does, and the fit up to it as fit.gif.

        GanfitError before the first step.
        """
        if self.shown < 0:
            raise GanfitError("There is nothing to export yet; take a step first.")
        directory, result = Path(directory), self.result()
        result.write(directory)
        write_animation(directory / "fit.gif", self.photo, self.model, result.steps)

    def result(self) -> Result:
        """The fit up to the shown step, to be judged or written."""
        return Result(self.photo, self.model, self.config, self.steps[: self.shown + 1])

    def picture(self) -> Image.Image:
        """The views and the weights, as they are."""
        return joined([part.picture() for part in (self.mesh, self.view, self.chart, self.controls)])

    def branch(self) -> None:
        """As StepPlayer's; the curves that are left behind stay, faintly."""
        before = self.steps
        super().branch()
        self._before = before
        self._draw_curves()

    def describe(self, steps: list[FitStep]) -> str:
        """Stage and step, and computing time."""
        step = steps[-1]
        return f"<b>{step.stage}</b> step {step.index} · {step.seconds:.1f} s"

    def remaining(self, steps: list[FitStep]) -> int | None:
        """Steps of the joint stage that are left; how long the alignment takes, nobody knows."""
        return self.config.steps - steps[-1].index if steps[-1].stage == "joint" else None

    def prepare(self, steps: list[FitStep]) -> _Content:
        """Mesh and pictures of the last of `steps`."""
        parameters = steps[-1].parameters
        with torch.no_grad():
            return _Content(
                step=steps[-1],
                at=len(steps) - 1 if len(steps) < len(self.steps) else None,
                vertices=self.model.vertices(parameters),
                fitted=FittedPhoto.of(self.photo, self._seen, parameters),
            )

    def draw(self, content: _Content) -> None:
        """Updates the views, and the switches if a program changed what they stand for."""
        parameters = content.step.parameters
        self._at = content.at
        self.mesh.show(content.vertices, content.fitted.texture)
        self.mesh.follow(parameters.camera, parameters.light)
        self._colour()
        self.view.show(content.fitted)
        self._draw_curves()
        self.controls.refresh()
        self.groups.refresh()
        self.export_panel.clear()

    def reset(self) -> None:
        """The mean face beside the photo."""
        self._before, self._at = [], None
        self.mesh.show(*self._mean)
        self._colour()
        self.view.show(None)
        self._draw_curves()
        self.export_panel.clear()

    def _colour(self, _: dict | None = None) -> None:
        if self.colours.value == SKIN:
            if self.mesh.values is not None:
                self.mesh.show_values(None)
            return
        displacement = (self.mesh.vertices - self._mean[0]).norm(dim=1)
        self.mesh.show_values(displacement, label="displacement", unit="mm")

    def _draw_curves(self, _: dict | None = None) -> None:
        self.chart.title = self.curves.value
        self.chart.show(self._history(self.steps), [s.stage for s in self.steps], self._at, self._history(self._before))

    def _history(self, steps: list[FitStep]) -> list[dict[str, float]]:
        if self.curves.value == GRADIENTS:
            return [step.gradient_norms for step in steps]
        return [{name: step.weights[name] * value for name, value in step.losses.items()} for step in steps]


def _choice(tooltip: str, options: list[str], chosen: Callable[[dict], None]) -> widgets.Dropdown:
    choice = widgets.Dropdown(options=options, tooltip=tooltip, layout={"width": f"{SIDE}px"})
    choice.observe(chosen, "value")
    return choice
