"""Shows d pixel / d parameter as a picture, for any of the ~700 numbers, beside a finite difference.

It also shows how much of the derivative comes from the outlines.
"""

from __future__ import annotations

import ipywidgets as widgets
import torch
from PIL import Image
from traitlets import Bool, Int, Unicode, validate
from traitlets import Float as FloatTrait

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.rates import small_steps
from ganfit_nb.fitting.sensitivity import along, picture, picture_derivative, picture_difference
from ganfit_nb.parameters import FaceParameters, meaning
from ganfit_nb.photos.photo import Photo
from ganfit_widgets.colour_map import ColourScale
from ganfit_widgets.component import Component, button, light_up
from ganfit_widgets.group_toggles import words
from ganfit_widgets.picture_view import PictureView, stacked
from ganfit_widgets.vertex_gradients import VertexGradients

SIDE = 196  # px, width of each of four pictures side by side
PIECE = 20  # px, side of the piece of the rendering that is enlarged
STEPS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # of finite differences, in multiples of the step of a fit


class GradientExplorer(Component):
    """The derivative of the rendering (Eq. 6) with respect to one number. To use it alone:

        explorer = GradientExplorer(FaceModel.default())
        display(explorer)
        explorer.group, explorer.index = "camera", 6

    Red pixels become lighter when the number grows, and blue pixels darker (mean of the three channels). With a
    `photo`, the gradients of the losses at the vertices are shown below (VertexGradients).

    group, index  the number: identity, expression, texture, camera or light, and its index in this vector
    step          of the finite difference, in multiples of the fit's learning rate for that number
    antialias     whether the renderer blends outlines
    close_up      whether a piece of the outline is enlarged

    `sums` are the sums of both pictures over all pixels: the effect of the number on the total lightness.
    """

    group = Unicode("identity")
    index = Int(0)
    step = FloatTrait(0.03)
    antialias = Bool(True)
    close_up = Bool(False)

    def __init__(
        self,
        model: FaceModel,
        parameters: FaceParameters | None = None,
        photo: Photo | None = None,
        *,
        size: int = 128,
    ) -> None:
        self.model, self.size = model.seen_at(size), size
        self.parameters = parameters or model.mean_parameters()
        with torch.no_grad():
            self._covered = self.model.render(self.parameters, size).alpha > 0
        self._views = [
            PictureView(caption, size=SIDE, crisp=True)
            for caption in ("rendering", "derivative", "measured", "measured − derivative")
        ]
        self._bar = widgets.HTML(layout={"width": f"{2 * SIDE}px"})
        self._line = widgets.HTML()
        self._smooth = self._switch("Blended outlines", "Blend outlines, or leave them jagged", "antialias")
        self._closer = self._switch("Close up", "A piece of the cheek's outline, pixel by pixel", "close_up")
        pictures = widgets.HBox(self._views).add_class("ganfit-views")
        self.vertices: VertexGradients | None = None
        below: list[widgets.Widget] = []
        if photo is not None:
            self.vertices = VertexGradients(model, self.parameters, photo, size=size)
            below = [self.vertices]
        super().__init__([self._controls(), pictures, self._bar, self._line, *below])
        self.observe(self._follow_group, "group")
        self.observe(self._show, ["index", "step", "antialias", "close_up"])
        self._follow_group()

    def picture(self) -> Image.Image:
        """The four pictures and their colour bar, and the gradients at the vertices below."""
        return stacked([self._scale.draw_bar(2 * SIDE), super().picture()])

    def _controls(self) -> widgets.VBox:
        groups = widgets.Dropdown(
            options=[(words(name), name) for name, _ in self.parameters.items()],
            description="group",
            tooltip="The group of parameters",
            layout={"width": "170px"},
            style={"description_width": "45px"},
        )
        self._number = widgets.IntSlider(
            value=1,
            min=1,
            description="number",
            tooltip="Which number of the group",
            style={"description_width": "60px"},
        )
        steps = widgets.SelectionSlider(
            options=[(f"× {step:g}", step) for step in STEPS],
            value=self.step,
            description="difference",
            tooltip="Step of the finite difference: so many times the step that a fit takes",
            style={"description_width": "75px"},
            layout={"width": "280px"},
        )
        for trait, widget in (("group", groups), ("step", steps)):
            widgets.link((self, trait), (widget, "value"))
        widgets.link((self, "index"), (self._number, "value"), (lambda index: index + 1, lambda number: number - 1))
        self._meaning = widgets.HTML()
        rows = [widgets.HBox([groups, self._number, self._meaning]), widgets.HBox([steps, self._smooth, self._closer])]
        for row in rows:
            row.add_class("ganfit-row")
        return widgets.VBox(rows)

    def _switch(self, text: str, tooltip: str, name: str) -> widgets.Button:
        return button(text, "", tooltip, lambda: self.set_trait(name, not getattr(self, name)))

    @validate("group")
    def _known_group(self, proposal: dict) -> str:
        names = [name for name, _ in self.parameters.items()]
        if proposal["value"] not in names:
            raise GanfitError(f"The group must be one of {', '.join(names)}, not {proposal['value']}.")
        return proposal["value"]

    @validate("index")
    def _inside_group(self, proposal: dict) -> int:
        along(self.parameters, self.group, proposal["value"])  # raises an error when there is no such number
        return proposal["value"]

    @validate("step")
    def _known_step(self, proposal: dict) -> float:
        if proposal["value"] not in STEPS:
            raise GanfitError(f"The step must be one of {', '.join(map(str, STEPS))}, not {proposal['value']}.")
        return proposal["value"]

    def _follow_group(self, _: dict | None = None) -> None:
        last = len(getattr(self.parameters, self.group)) - 1
        if self.index > last:
            self.index = last  # the observer of `index` shows it
            self._number.max = last + 1
        else:
            self._number.max = last + 1
            self._show()

    def _show(self, _: dict | None = None) -> None:
        direction = along(self.parameters, self.group, self.index)
        step = self.step * float(getattr(small_steps(self.parameters), self.group)[self.index])
        told, measured = (
            function(self.model, self.parameters, direction, self.size, *extra, antialias=self.antialias).mean(-1)
            for function, extra in ((picture_derivative, ()), (picture_difference, (step,)))
        )
        with torch.no_grad():
            rendering = picture(self.model, self.parameters, self.size, antialias=self.antialias)
        number, unit = meaning(self.group, self.index)
        window = self._window()
        reach = float(told[window].abs().quantile(0.998)) or 1.0
        self._scale = ColourScale(-reach, reach, "change of a pixel", f"per {unit}", diverging=True)
        pictures = [rendering, *map(self._scale.coloured, (told, measured, measured - told))]
        for view, image in zip(self._views, pictures, strict=True):
            view.show(image[window])
        self._bar.value, self._meaning.value = self._scale.bar(), f"{number} ({unit})"
        self.sums = float(told.sum()), float(measured.sum())
        self._line.value = (
            f"Summed over the picture: {self.sums[0]:.3g} by derivative, {self.sums[1]:.3g} measured "
            f"with a step of {step:.2g} to either side."
        )
        light_up(self._smooth, self.antialias)
        light_up(self._closer, self.close_up)
        self.changed()

    def _window(self) -> tuple[slice, slice]:
        """Rows and columns of the picture: all, or a piece with the outline of the cheek, a little below the middle."""
        if not self.close_up:
            return slice(None), slice(None)
        rows, columns = self._covered.nonzero().unbind(1)
        row = round(0.7 * self.size)
        column = int(columns[rows == row].max()) if (rows == row).any() else self.size // 2
        top, left = (min(max(at - PIECE // 2, 0), self.size - PIECE) for at in (row, column))
        return slice(top, top + PIECE), slice(left, left + PIECE)
