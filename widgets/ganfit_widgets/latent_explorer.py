"""Explores the latent space of a texture GAN, beside a linear model.

It has random people, walks between two of them, truncation and directions.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import ipywidgets as widgets
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from traitlets import Float as FloatTrait
from traitlets import Int, Tuple

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.face.gan_texture import GanTexture
from ganfit_nb.face.latents import interpolate, sefa_directions, truncate
from ganfit_nb.face.texture import PcaTexture
from ganfit_widgets.component import Component, button, joined
from ganfit_widgets.inversion_player import InversionPlayer
from ganfit_widgets.picture_view import PictureView, stacked
from ganfit_widgets.sliders import Sliders

PEOPLE, DIRECTIONS = 6, 5
THUMB, SIDE = 110, 190  # px, widths of small and large pictures
TEXELS = 256  # side of the maps; finer ones cost twice the time, and pictures this small do not show it
REACH = 4.0  # standard deviations; largest value along a direction


class LatentExplorer(Component):
    """p_t = ψ · walk(from, to, position) + Σ directions, drawn by the GAN (Eq. 5) and by a linear model (Eq. 1).

        explorer = LatentExplorer(FaceModel.default())
        display(explorer)
        explorer.position = 0.5

    The latents of both models are standard deviations of the same corpus, so the same numbers are similar people in
    both. With a UV map as `target`, an InversionPlayer searches both latent spaces for it.

    seed         chooses the people on the sheet
    start, end   numbers of the people from whom and to whom the walk goes
    position     place on the walk, from 0 to 1
    truncation   ψ: the distance from the average person is multiplied by it
    directions   standard deviations along each of the SeFa directions
    """

    seed = Int(0)
    start = Int(0)
    end = Int(1)
    position = FloatTrait(0.0)
    truncation = FloatTrait(1.0)
    directions = Tuple((0.0,) * DIRECTIONS)

    def __init__(
        self, model: FaceModel, linear: PcaTexture | None = None, target: Float[Tensor, "H W 3"] | None = None
    ) -> None:
        if not isinstance(model.texture, GanTexture):
            raise GanfitError("The latent explorer needs a texture GAN; give FaceModel.default().")
        self.gan = model.texture.at(TEXELS)
        linear = linear or PcaTexture.default()
        self.linear = linear.at(self.gan.resolution)
        self._models = {"GAN": replace(model, texture=self.gan), "PCA": replace(model, texture=self.linear)}
        self._sefa = sefa_directions(self.gan, DIRECTIONS)
        self._sheet = [PictureView("", size=THUMB) for _ in range(PEOPLE)]
        self._heads = {name: PictureView(f"{name}: on the mean head", size=SIDE) for name in self._models}
        self._maps = {name: PictureView(f"{name}: UV map", size=SIDE) for name in self._models}
        self._walk = Sliders(
            ["from → to"], limits=(0.0, 1.0), tooltips=["Position on the great circle between the two"]
        )
        self._psi = Sliders(["truncation ψ"], limits=(0.0, 1.5), tooltips=["Below 1 nearer to the average person"])
        names = [f"direction {number}" for number in range(1, DIRECTIONS + 1)]
        self._ways = Sliders(names, limits=(-REACH, REACH), tooltips=["In standard deviations; forward is lighter"] * 5)
        self.inversion: InversionPlayer | None = None
        below: list[widgets.Widget] = []
        if target is not None:
            size = target.shape[0]
            self.inversion = InversionPlayer(target, {"GAN": self.gan.at(size), "PCA": linear.at(size)})
            words = "<b>Inversion:</b> which latent is this skin? Both models search (Sec. 3.1)."
            below = [widgets.HTML(words), self.inversion]
        super().__init__([self._buttons(), self._people(), self._views(), *below])
        for sliders, name in ((self._walk, "position"), (self._psi, "truncation")):
            sliders.observe(partial(self._slid, name), "values")
        self._ways.observe(lambda change: self.set_trait("directions", change["new"]), "values")
        self.observe(self._moved, ["start", "end", "position", "truncation", "directions"])
        self.observe(self._draw_people, "seed")
        self._draw_people()

    @property
    def p_t(self) -> Float[Tensor, " t"]:
        """The latent that is shown."""
        walk = interpolate(self._latents[self.start], self._latents[self.end], self.position)
        return truncate(walk, self.truncation) + torch.tensor(self.directions) @ self._sefa

    def picture(self) -> Image.Image:
        """The sheet of people, below it the maps and heads of both models, and below these the inversion."""
        rows: list[list[Component]] = [self._sheet, [*self._heads.values(), *self._maps.values()]]
        rows += [[self.inversion]] if self.inversion else []
        return stacked([joined([view.picture() for view in row]) for row in rows])

    def new_people(self) -> None:
        """Shows the people of the next seed."""
        self.seed += 1

    def reset(self) -> None:
        """Goes back to the start of the walk, without truncation and directions."""
        self.position, self.truncation, self.directions = 0.0, 1.0, (0.0,) * DIRECTIONS

    def _buttons(self) -> widgets.HBox:
        return widgets.HBox(
            [
                button("New people", "random", "Draw others from N(0, 1)", self.new_people),
                button("Reset", "undo", "All sliders back", self.reset),
            ]
        ).add_class("ganfit-row")

    def _people(self) -> widgets.HBox:
        self._ends = []
        columns = []
        for number, view in enumerate(self._sheet):
            ends = [
                button(text, "", f"The walk {what} here", partial(self.set_trait, name, number))
                for text, what, name in (("from", "begins", "start"), ("to", "ends", "end"))
            ]
            self._ends.append(ends)
            columns.append(widgets.VBox([view, widgets.HBox(ends, layout={"justify_content": "center"})]))
        return widgets.HBox(columns).add_class("ganfit-row")

    def _views(self) -> widgets.HBox:
        sliders = widgets.VBox([self._walk, self._psi, self._ways], layout={"flex": "1 1 340px", "max_width": "380px"})
        pictures = widgets.VBox(
            [widgets.HBox([self._heads[name], self._maps[name]], layout={"grid_gap": "6px"}) for name in self._models]
        )
        return widgets.HBox([pictures, sliders]).add_class("ganfit-views")

    def _slid(self, name: str, change: dict) -> None:
        self.set_trait(name, change["new"][0])

    def _draw_people(self, _: dict | None = None) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        self._latents = torch.randn(PEOPLE, self.gan.dim, generator=generator)
        small = replace(self._models["GAN"], texture=self.gan.at(128))
        for number, (view, p_t) in enumerate(zip(self._sheet, self._latents, strict=True), 1):
            view.show(small.head(p_t, THUMB))
            view.caption = f"person {number}"
        self._moved()

    def _moved(self, _: dict | None = None) -> None:
        self._walk.values, self._psi.values, self._ways.values = (self.position,), (self.truncation,), self.directions
        for number, (begins, ends) in enumerate(self._ends):
            begins.button_style = "primary" if number == self.start else ""
            ends.button_style = "primary" if number == self.end else ""
        self._show()

    @torch.no_grad()
    def _show(self) -> None:
        p_t = self.p_t
        for name, model in self._models.items():
            albedo, mean = model.texture(p_t), model.mean_parameters()
            self._maps[name].show(albedo)
            self._heads[name].show(model.render_parts(model.morphable.mean, albedo, mean, SIDE).image)
        self.changed()
