"""A switch for every group of parameters: on when the fit moves it, off when it is frozen."""

from __future__ import annotations

from dataclasses import asdict

import ipywidgets as widgets
from PIL import Image

from ganfit_nb.fitting.free_groups import FreeGroups
from ganfit_nb.results.drawing import Drawing
from ganfit_widgets.component import Component

MEANINGS = {
    "identity": "the shape of the head, p_s",
    "expression": "what the face does, p_e",
    "texture": "the skin, p_t",
    "camera": "where it is and where it looks, its focal length",
    "light": "position and colour of the lamp, colour of the surroundings",
}


def words(group: str) -> str:
    """The name of a group in the notebook. It differs from the names of losses, one of which is the identity loss."""
    return "shape" if group == "identity" else group


class GroupToggles(Component):
    """Changes `free` in place. A fit that reads it follows from its next step on. To use it alone:

    free = FreeGroups()
    display(GroupToggles(free))
    for step in fit(photo, model, config, free=free): ...
    """

    def __init__(self, free: FreeGroups) -> None:
        self.free = free
        self.switches = {
            name: widgets.Checkbox(
                description=words(name), indent=False, tooltip=f"{words(name)}: {meaning}", layout={"width": "100px"}
            )
            for name, meaning in MEANINGS.items()
        }
        for name, switch in self.switches.items():
            switch.value = getattr(free, name)
            switch.observe(lambda change, name=name: self._take(name, change["new"]), "value")
        row = widgets.HBox([widgets.Label("Moves:"), *self.switches.values()]).add_class("ganfit-row")
        super().__init__([row])

    def refresh(self) -> None:
        """Shows the present state of the groups, after a program changed it."""
        for name, moves in asdict(self.free).items():
            self.switches[name].value = moves

    def picture(self) -> Image.Image:
        """The state of the groups, in one line of text."""
        drawing = Drawing(470, 20)
        parts = (f"{words(name)}: {'moves' if moves else 'frozen'}" for name, moves in asdict(self.free).items())
        drawing.text(4, 14, " · ".join(parts))
        return drawing.picture()

    def _take(self, name: str, moves: bool) -> None:
        setattr(self.free, name, moves)
        self.changed()
