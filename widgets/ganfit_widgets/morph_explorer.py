"""Explores a morphable model: its modes, the 52 facial actions, random people, and what each of them moves."""

from __future__ import annotations

import re

import ipywidgets as widgets
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from traitlets import Bool, Dict, Int, Tuple, observe, validate

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.facial_actions import FACIAL_ACTIONS
from ganfit_nb.face.morphable import MorphableModel, variance_shares
from ganfit_widgets.colour_map import BAR_HEIGHT, TEXT_HEIGHT
from ganfit_widgets.component import Component, button, grow, light_up
from ganfit_widgets.mesh_view import MeshView
from ganfit_widgets.picture_view import at_least
from ganfit_widgets.sliders import Sliders
from ganfit_widgets.spectrum import Spectrum

LEADING = 10  # number of modes that have a slider
SIDE, PANEL = 320, 460  # px, widths; mesh and panel fit side by side on a page 1000 px wide
FURTHEST = 3.0  # mm; the heat map reaches at least this far, so that a small change looks small


class MorphExplorer(Component):
    """S = mean + U_s p_s + U_e p_e (Eq. 2), with a slider for each of the first modes. To use it alone:

        explorer = MorphExplorer(MorphableModel.default())
        display(explorer)
        explorer.actions = {"jawOpen": 0.7, "browInnerUp": 1.0}

    identity    p_s, in standard deviations
    expression  p_e, in standard deviations, without the facial actions, which are added
    actions     facial actions by name, from 0 to 1; a model with its own expression modes has none
    seed        seed of the last random person; -1 before the first
    heat_map    whether the surface is coloured by its distance from the mean face
    """

    identity = Tuple()
    expression = Tuple()
    actions = Dict()
    seed = Int(-1)
    heat_map = Bool(False)

    def __init__(self, model: MorphableModel) -> None:
        self.model = model
        self.mesh = MeshView(model.mean, model.faces, size=SIDE)
        self._identity = _mode_sliders(model.identity_basis)
        self._expression = _mode_sliders(model.expression_basis)
        self._names = [name for name, row in zip(FACIAL_ACTIONS, model.actions, strict=False) if row.any()]
        self._actions = Sliders(
            [words(name) for name in self._names], limits=(0.0, 1.0), label_width="150px", height="320px"
        )
        colour = "Colour the surface by how far it is from the mean face"
        self._heat = button("Distance from the mean", "", colour, self._flip_heat)
        self._distance = widgets.HTML()
        super().__init__([self._buttons(), self._views()])
        self.identity, self.expression = (0.0,) * len(model.identity_basis), (0.0,) * len(model.expression_basis)
        self.observe(self._changed, ["identity", "expression", "actions", "heat_map"])
        self._identity.observe(self._identity_slid, "values")
        self._expression.observe(self._expression_slid, "values")
        self._actions.observe(self._actions_slid, "values")
        self._show()

    @property
    def vertices(self) -> Float[Tensor, "V 3"]:
        """The face that is shown, mm."""
        expression = torch.tensor(self.expression)
        if self.actions:
            expression = expression + self.model.expression({k: float(v) for k, v in self.actions.items()})
        return self.model.vertices(torch.tensor(self.identity), expression)

    def picture(self) -> Image.Image:
        """The face, with its heat map if that is on, and the spectrum."""
        return at_least(super().picture(), self.mesh.size + BAR_HEIGHT + TEXT_HEIGHT)

    def random_person(self) -> None:
        """Shows the person of the next seed: identity coefficients from N(0, 1), and no expression."""
        self.seed += 1

    def reset(self) -> None:
        """Goes back to the mean face, without heat map, seen from the front."""
        self.seed, self.actions, self.heat_map = -1, {}, False
        self.mesh.reset_view()
        self.identity, self.expression = (0.0,) * len(self.identity), (0.0,) * len(self.expression)

    def _buttons(self) -> widgets.HBox:
        draw = "Draw every identity coefficient from N(0, 1)"
        return widgets.HBox(
            [
                button("Random person", "random", draw, self.random_person),
                button("Reset", "undo", "Back to the mean face, its colours and the view from the front", self.reset),
                self._heat,
                self._distance,
            ]
        ).add_class("ganfit-row")

    def _views(self) -> widgets.HBox:
        spectrum = Spectrum({"identity": self.model.identity_basis, "expression": self.model.expression_basis})
        panels = {"Identity": self._identity, "Expression": self._expression}
        panels |= {"Actions": self._actions} if self._names else {}
        panels |= {"Spectrum": spectrum}
        tabs = widgets.Tab(list(panels.values()), titles=list(panels))
        grow(tabs, PANEL)
        return widgets.HBox([self.mesh, tabs]).add_class("ganfit-views")

    @validate("identity", "expression")
    def _right_length(self, proposal: dict) -> tuple[float, ...]:
        name, value = proposal["trait"].name, proposal["value"]
        expected = len(self.model.identity_basis if name == "identity" else self.model.expression_basis)
        if len(value) != expected:
            raise GanfitError(f"The {name} takes {expected} coefficients, not {len(value)}.")
        return tuple(map(float, value))

    @validate("actions")
    def _known_actions(self, proposal: dict) -> dict[str, float]:
        actions = {name: float(value) for name, value in proposal["value"].items()}
        if actions:
            self.model.expression(actions)  # raises an error that names unknown actions
        return actions

    @observe("seed")
    def _draw_person(self, _: dict) -> None:
        if self.seed >= 0:
            generator = torch.Generator().manual_seed(self.seed)
            self.identity = tuple(torch.randn(len(self.identity), generator=generator).tolist())

    def _identity_slid(self, change: dict) -> None:
        self.identity = (*change["new"], *self.identity[len(change["new"]) :])

    def _expression_slid(self, change: dict) -> None:
        self.expression = (*change["new"], *self.expression[len(change["new"]) :])

    def _actions_slid(self, change: dict) -> None:
        self.actions = {name: value for name, value in zip(self._names, change["new"], strict=True) if value}

    def _changed(self, _: dict) -> None:
        self._identity.values = self.identity[: len(self._identity.values)]
        self._expression.values = self.expression[: len(self._expression.values)]
        self._actions.values = tuple(self.actions.get(name, 0.0) for name in self._names)
        self._show()

    def _flip_heat(self) -> None:
        self.heat_map = not self.heat_map

    def _show(self) -> None:
        vertices = self.vertices
        distance = (vertices - self.model.mean).norm(dim=1)
        self.mesh.show(vertices)
        if self.heat_map:
            limits = (0.0, max(FURTHEST, float(distance.max())))
            self.mesh.show_values(distance, label="distance from the mean face", unit="mm", limits=limits)
        else:
            self.mesh.show_values(None)
        light_up(self._heat, self.heat_map)
        face = distance[self.model.face_region]
        self._distance.value = f"moved {float(face.mean()):.1f} mm on average, {float(face.max()):.1f} mm at most"
        self.changed()


def words(name: str) -> str:
    """The words of a name: "eyeBlinkLeft" becomes "eye blink left"."""
    return re.sub("([A-Z])", lambda capital: f" {capital[1].lower()}", name)


def _mode_sliders(basis: Float[Tensor, "K V 3"]) -> Sliders:
    shares = 100 * variance_shares(basis)
    return Sliders(
        [f"mode {number} ({share:.0f} %)" for number, share in enumerate(shares[:LEADING].tolist(), 1)],
        tooltips=[
            f"mode {number} holds {share:.1f} % of the variance; in standard deviations"
            for number, share in enumerate(shares[:LEADING].tolist(), 1)
        ],
        label_width="100px",
    )
