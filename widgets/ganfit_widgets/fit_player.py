"""Plays a fit: with its mesh, the rendering over the photo, the curves, and controls for weights and groups.

Its courses have names. They can be compared side by side, saved and loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from functools import partial
from html import escape
from pathlib import Path

import ipywidgets as widgets
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from traitlets import Unicode, observe, validate

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.fitting.free_groups import FreeGroups
from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.fitting.stages import fit
from ganfit_nb.fitting.steps import FitStep
from ganfit_nb.own_skin import own_skin
from ganfit_nb.photos.photo import Photo
from ganfit_nb.results.animation import write_animation
from ganfit_nb.results.result import Result
from ganfit_widgets.component import SideBySide, grow, joined
from ganfit_widgets.course_file import load_course, save_course
from ganfit_widgets.course_panel import CoursePanel
from ganfit_widgets.curve_chart import CurveChart
from ganfit_widgets.export_panel import ExportPanel
from ganfit_widgets.fit_settings import FitSettings, Values
from ganfit_widgets.fit_stages import FitStages
from ganfit_widgets.group_toggles import words
from ganfit_widgets.measures import Measures, PhotoJudge
from ganfit_widgets.mesh_view import MeshView
from ganfit_widgets.photo_view import FittedPhoto, PhotoView
from ganfit_widgets.step_course import Course
from ganfit_widgets.step_player import LOOKER, WORKER

SIDE = 250  # px, least width of mesh and photo; all views fit side by side on a page 1000 px wide
SKIN, OWN, DISPLACEMENT = "the fitted texture", "the photo's own skin", "displacement from the mean"
OWN_SIDE = 512  # texels of the photo's own skin, as many as the fitted texture has
LOSSES, GRADIENTS = "weight × loss", "gradient norm"
OFFERS = {
    "mesh.glb": ["mesh.glb"],
    "mesh_photo.glb": ["mesh_photo.glb"],
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
    measures: Measures
    skin: Float[Tensor, "H W 3"]


class _Side:
    """The views of one course: mesh, photo and numbers."""

    def __init__(self, photo: Photo, mesh: MeshView) -> None:
        self.mesh, self.view = mesh, PhotoView(photo, size=SIDE)
        self.measures: Measures | None = None

    def show(self, content: _Content) -> None:
        self.measures = content.measures
        self.mesh.show(content.vertices, content.skin)
        self.mesh.follow(content.step.parameters.camera, content.step.parameters.light)
        self.view.show(content.fitted)


class FitPlayer(FitStages):
    """Plays a fit of `model` to `photo`. To use it alone:

        player = FitPlayer(Photo.open("portrait.jpg"), FaceModel.default(), FitConfig(steps=100))
        display(player)
        await player.finish()  # or press Play

    The switches and sliders change `weights` and `free`. A program may change them, too. Every course keeps its own
    values, and Restart brings back those of the beginning. `steps` plays other FitSteps instead of those of `fit`: it
    is a generator, or a function that takes `start` and returns one.

    compared  name of the course that is shown beside this one; empty for none
    """

    compared = Unicode("")

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
        self._settings = FitSettings(weights or LossWeights(), free or FreeGroups())
        self.weights, self.free = self._settings.weights, self._settings.free
        self.controls, self.groups = self._settings.controls, self._settings.groups
        self.photo = photo.at(self.config.size)
        self._judge, self._seen = PhotoJudge(self.photo), model.seen_at(SIDE)
        with torch.no_grad():
            mean = model.mean_parameters()
            self._mean = model.vertices(mean), self._seen.texture(mean.texture)
        self._side, self._other = (_Side(self.photo, self._new_mesh()) for _ in range(2))
        self.mesh, self.view = self._side.mesh, self._side.view
        self.mesh.link(self._other.mesh)
        self.view.link(self._other.view)
        self.chart = CurveChart(LOSSES)
        self.export_panel = ExportPanel(self.export, OFFERS, WORKER)
        self.colours = _choice("What colours the mesh", [SKIN, OWN, DISPLACEMENT], self._colours_chosen)
        self.curves = _choice("What the curves show", [LOSSES, GRADIENTS], self._draw_curves)
        self._numbers = widgets.HTML()
        self._mesh_column = _column(self.mesh, self.colours)
        self._meshes, self._photos = SideBySide(SIDE), SideBySide(SIDE)
        self._views = widgets.HBox([self._meshes, self._photos, _column(self.chart, self.curves)])
        self._views.add_class("ganfit-views")
        if steps is None:
            steps = partial(fit, self.photo, model, self.config, self.weights, free=self.free)
        courses = widgets.VBox()
        super().__init__(steps, [courses, self._numbers, self._views, self._settings, self.export_panel])
        if self.can_branch:
            courses.children = [CoursePanel(self)]
        self.observe(self._compare, ["names", "course"])
        self._arrange()
        self.reset()

    @property
    def measures(self) -> Measures | None:
        """The measures of the shown step; None before the first step. The judge is asked at the end of a fit alone."""
        return self._side.measures

    def measure(self, steps: list[FitStep]) -> Measures | None:
        """The measures of the last of `steps`, for instance of another course; None without steps."""
        if not steps:
            return None
        return self._judge.measure(self._fitted(steps[-1]), judged=True)

    def _fitted(self, step: FitStep) -> FittedPhoto:
        return FittedPhoto.of(self.photo, self._seen, step.parameters, self.config.occlusion)

    def export(self, directory: Path | str) -> None:
        """Writes the files of `ganfit fit` for the shown step, and the fit up to it as fit.gif.

        Raises GanfitError before the first step.
        """
        if self.shown < 0:
            raise GanfitError("There is nothing to export yet; take a step first.")
        directory, result = Path(directory), self.result()
        result.write(directory)
        write_animation(directory / "fit.gif", self.photo, self.model, result.steps)

    def result(self) -> Result:
        """The fit up to the shown step, which can be measured and written."""
        return Result(self.photo, self.model, self.config, self.steps[: self.shown + 1])

    def save(self, path: Path | str) -> None:
        """Writes every step of the course that is shown. Raises GanfitError before the first step."""
        if not self.steps:
            raise GanfitError("There is nothing to save yet; take a step first.")
        save_course(Path(path), self.steps, self._photo_name)

    def load(self, path: Path | str, name: str = "") -> None:
        """Loads a file of `save`, or a folder that `ganfit fit` wrote, as another course, and shows it.

        Raises GanfitError when it belongs to another photo or model, or is no such file.
        """
        path = Path(path)
        steps = load_course(path, self.model.mean_parameters(), self._photo_name)
        weights = asdict(self.weights)
        if steps[-1].stage == "joint":  # only in this stage all terms with a weight take part
            weights = dict.fromkeys(weights, 0.0) | steps[-1].weights
        name = name or path.stem
        self.add(steps, "" if name in self.names else name, (weights, asdict(FreeGroups())))

    def picture(self) -> Image.Image:
        """The views and the weights."""
        sides = [self._side, self._other] if self.compared else [self._side]
        views = [side.mesh for side in sides] + [side.view for side in sides]
        return joined([part.picture() for part in (*views, self.chart, self.controls)])

    def settings(self) -> Values:
        """The present weights and free groups."""
        return self._settings.values()

    def restore(self, settings: Values) -> None:
        """Sets weights and free groups in place, and the switches with them."""
        self._settings.restore(settings)

    def prepare(self, steps: list[FitStep]) -> _Content:
        """The mesh, pictures and numbers of the last of `steps`."""
        with torch.no_grad():
            fitted = self._fitted(steps[-1])
            return _Content(
                step=steps[-1],
                at=len(steps) - 1 if len(steps) < len(self.steps) else None,
                vertices=self.model.vertices(steps[-1].parameters),
                fitted=fitted,
                measures=self._judge.measure(fitted, judged=self.remaining(steps) == 0),
                skin=self._own_skin(steps[-1]) if self.colours.value == OWN else fitted.texture,
            )

    def _own_skin(self, step: FitStep) -> Float[Tensor, "S S 3"]:
        return own_skin([self.photo], self.model, [step.parameters], OWN_SIDE).albedo

    def draw(self, content: _Content) -> None:
        """Updates the views, and the switches in case a program changed the weights or groups."""
        self._at = content.at
        self._side.show(content)
        self._refresh()
        self._settings.refresh()

    def reset(self) -> None:
        """Shows the mean face beside the photo."""
        self._at, self._side.measures = None, None
        self.mesh.show(*self._mean)
        self.view.show(None)
        self._refresh()

    @property
    def _photo_name(self) -> str:
        return Path(self.photo.source).name

    def _new_mesh(self) -> MeshView:
        face = self.model.morphable
        return MeshView(self._mean[0], face.faces, face.uv, self._mean[1], size=SIDE)

    def _refresh(self) -> None:
        """Updates the parts that depend on both courses."""
        self._colour()
        self._draw_curves()
        shown = {self.course: self._side.measures} | ({self.compared: self._other.measures} if self.compared else {})
        lines = [f"<b>{escape(name)}</b>: {measures}" for name, measures in shown.items() if measures]
        self._numbers.value = "<br>".join(lines)
        self.export_panel.clear()

    @validate("compared")
    def _known_other(self, proposal: dict) -> str:
        name = proposal["value"]
        if name and not (name in self._courses and self._courses[name].steps):
            raise GanfitError(f"There is nothing to compare with in a course '{name}'; play it first.")
        return name

    @observe("compared")
    def _compare(self, _: dict | None = None) -> None:
        """Shows the compared course beside this one, at the step where it was last seen."""
        if self.compared and (self.compared == self.course or self.compared not in self._courses):
            self.compared = ""  # it is the course that is shown, or has been deleted
            return
        self._arrange()
        if not self.compared:
            self._refresh()
            return
        other = self._courses[self.compared]
        steps = other.steps[: other.shown + 1] or list(other.steps)
        self.when_done(LOOKER.submit(self.prepare, steps), partial(self._show_other, self.compared))

    def _show_other(self, name: str, work: Future[_Content]) -> None:
        if name == self.compared:
            self._other.show(work.result())
            self._refresh()
            self.changed()

    def _arrange(self) -> None:
        """Arranges the views. Two courses have their meshes in one row and their photos in another."""
        self._meshes.show([self._mesh_column, *([self._other.mesh] if self.compared else [])])
        self._photos.show([self.view, *([self._other.view] if self.compared else [])])

    def _colours_chosen(self, change: dict) -> None:
        """Colours the mesh. The photo's own skin takes about a second, so it is made where it is shown only."""
        self._colour()
        if OWN in (change["old"], change["new"]) and self.shown >= 0:
            work = LOOKER.submit(self.prepare, self.steps[: self.shown + 1])
            self.when_done(work, partial(self._show_again, self._course, self.shown))
            self._compare()

    def _show_again(self, course: Course, step: int, work: Future[_Content]) -> None:
        """Draws a step in other colours if it is still the one that is shown."""
        if course is self._course and step == self.shown:
            self.draw(work.result())
            self.changed()

    def _colour(self) -> None:
        meshes = [self.mesh, self._other.mesh] if self.compared else [self.mesh]
        if self.colours.value != DISPLACEMENT:
            for mesh in meshes:
                if mesh.values is not None:
                    mesh.show_values(None)
            return
        moved = [(mesh.vertices - self._mean[0]).norm(dim=1) for mesh in meshes]
        limits = 0.0, max(1e-3, *(float(distance.max()) for distance in moved))  # mm, the same for both courses
        for mesh, distance in zip(meshes, moved, strict=True):
            mesh.show_values(distance, label="displacement", unit="mm", limits=limits)

    def _draw_curves(self, _: dict | None = None) -> None:
        before = self._courses[self.compared].steps if self.compared else self._course.before
        self.chart.title = self.curves.value
        self.chart.show(self._history(self.steps), [s.stage for s in self.steps], self._at, self._history(before))

    def _history(self, steps: list[FitStep]) -> list[dict[str, float]]:
        if self.curves.value == GRADIENTS:
            return [{words(name): norm for name, norm in step.gradient_norms.items()} for step in steps]
        return [{name: step.weights[name] * value for name, value in step.losses.items()} for step in steps]


def _column(view: widgets.DOMWidget, choice: widgets.Dropdown) -> widgets.VBox:
    column = widgets.VBox([view, choice])
    grow(column, SIDE)
    return column


def _choice(tooltip: str, options: list[str], chosen: Callable[[dict], None]) -> widgets.Dropdown:
    choice = widgets.Dropdown(options=options, tooltip=tooltip, layout={"width": "auto"})
    choice.observe(chosen, "value")
    return choice
