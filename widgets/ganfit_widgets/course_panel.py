"""The part of a FitPlayer that compares two courses, saves a course to a file, and loads one."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

import ipywidgets as widgets

from ganfit_nb.errors import GanfitError
from ganfit_widgets.component import button, error_line

if TYPE_CHECKING:
    from ganfit_widgets.fit_player import FitPlayer

NOTHING = "nothing"


class CoursePanel(widgets.HBox):
    """A list of courses to compare with, a field for a file name, and the buttons Save and Load."""

    def __init__(self, player: FitPlayer) -> None:
        self._player, self._following = player, False
        self.compare = widgets.Dropdown(
            description="Compare with", tooltip="Another course beside this one; the views turn together"
        )
        self.compare.style.description_width, self.compare.layout.width = "105px", "260px"
        self.file = widgets.Text(
            placeholder="a name or a folder",
            tooltip="The file that Save writes and Load reads; Load takes a folder that ganfit fit wrote, too",
            layout={"width": "170px"},
        )
        self.save = button("Save", "save", "Write the course that is shown to this file", self._save)
        self.load = button("Load", "folder-open", "Show the course in this file or result folder", self._load)
        self.message = widgets.HTML()
        super().__init__([self.compare, self.file, self.save, self.load, self.message])
        self.add_class("ganfit-row")
        player.observe(self._follow, ["course", "names", "compared"])
        self.compare.observe(self._chosen, "value")
        self._follow()

    def _follow(self, _: dict | None = None) -> None:
        player = self._player
        others = [name for name in player.names if name != player.course]
        self._following = True  # setting other options selects the first of them; that is no choice of the reader
        self.compare.options = [(NOTHING, ""), *((name, name) for name in others)]
        self.compare.value = player.compared if player.compared in others else ""
        self._following = False
        self.compare.disabled = not others

    def _chosen(self, change: dict) -> None:
        if self._following:
            return
        try:
            self._player.compared = change["new"]
            self.message.value = ""
        except GanfitError as error:
            self.compare.value = ""
            self.message.value = error_line(error)

    def _save(self) -> None:
        path = self._path()
        try:
            self._player.save(path)
            self.message.value = f"saved as {html.escape(str(path))}"
        except GanfitError as error:
            self.message.value = error_line(error)

    def _load(self) -> None:
        try:
            self._player.load(self._path())
            self.message.value = ""
        except GanfitError as error:
            self.message.value = error_line(error)

    def _path(self) -> Path:
        """The path in the field; by default it has the name of the course.

        It gets the suffix .safetensors unless it has a suffix or is a folder.
        """
        named = Path(self.file.value.strip() or self._player.course)
        return named if named.is_dir() or named.suffix else named.with_suffix(".safetensors")
