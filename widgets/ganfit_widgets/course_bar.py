"""A bar to choose, rename and delete the courses of a player."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as widgets

from ganfit_nb.errors import GanfitError
from ganfit_widgets.component import button

if TYPE_CHECKING:
    from ganfit_widgets.step_player import StepPlayer


class CourseBar(widgets.HBox):
    """A list of a player's courses, a field with the name of the chosen one, and a button that deletes it."""

    def __init__(self, player: StepPlayer) -> None:
        self._player, self._following = player, False
        self.choice = widgets.Dropdown(
            description="Course", tooltip="Every branch is a course of its own; choose the one to see and to go on with"
        )
        self.name = widgets.Text(description="Its name", tooltip="Another name for it", continuous_update=False)
        for field, label in ((self.choice, "50px"), (self.name, "60px")):
            field.style.description_width, field.layout.width = label, "210px"
        self.remove = button("Delete", "trash", "Forget this course", player.delete)
        super().__init__([self.choice, self.name, self.remove])
        self.add_class("ganfit-row")
        player.observe(self._follow, ["course", "names"])
        self.choice.observe(self._chosen, "value")
        self.name.observe(self._named, "value")
        self._follow()

    def _follow(self, _: dict | None = None) -> None:
        player = self._player
        if player.course not in player.names:  # a new course is being made, and has no name yet
            return
        self._following = True  # setting other options selects the first of them; that is no choice of the reader
        self.choice.options, self.choice.value = player.names, player.course
        self._following = False
        self.name.value = player.course
        self.remove.disabled = len(player.names) == 1

    def _chosen(self, change: dict) -> None:
        if not self._following:
            self._player.course = change["new"]

    def _named(self, change: dict) -> None:
        try:
            self._player.rename(change["new"].strip())
        except GanfitError:  # the name is not allowed; the old one is shown again
            self.name.value = self._player.course
