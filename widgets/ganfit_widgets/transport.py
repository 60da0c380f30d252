"""The controls of a player: Play, Pause, Step, Restart, speed, and a scrubber over all steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as widgets

from ganfit_widgets.component import button, error_line

if TYPE_CHECKING:
    from ganfit_widgets.step_player import StepPlayer

SPEEDS = {"as fast as it goes": 0.0, "10 steps a second": 10.0, "3 steps a second": 3.0, "1 step a second": 1.0}


class Transport(widgets.VBox):
    """Buttons that call a player's methods and show the state of its traits."""

    def __init__(self, player: StepPlayer) -> None:
        self._player = player
        self.play = button("Play", "play", "Take steps until paused", player.play)
        self.pause = button("Pause", "pause", "Stop after the step under way", player.pause)
        self.step = button("Step", "step-forward", "Take one step", player.step)
        again = "Forget the steps of this course and begin it again, with the settings of the beginning"
        self.restart = button("Restart", "undo", again, player.restart)
        self.branch = button(
            "Branch from here",
            "code-fork",
            "Keep this course, and go on from the step shown in a new one, with the settings as they are now",
            self._branch,
        )
        self.speed = widgets.Dropdown(options=list(SPEEDS.items()), tooltip="Speed", layout={"width": "150px"})
        self.speed.observe(lambda change: player.set_trait("speed", change["new"]), "value")
        self.scrubber = widgets.IntSlider(
            value=1, min=1, max=1, description="Step shown", tooltip="Look at an earlier step", disabled=True
        )
        self.scrubber.layout.flex = "1 1 200px"
        self.scrubber.observe(self._scrubbed, "value")
        self.status = widgets.HTML()
        self._message = widgets.HTML()
        buttons = [self.play, self.pause, self.step] + ([self.restart] if player.can_restart else [])
        past = [self.scrubber] + ([self.branch] if player.can_branch else [])
        rows = [widgets.HBox([*buttons, self.speed, self.status]), widgets.HBox(past)]
        for row in rows:
            row.add_class("ganfit-row")
        super().__init__([*rows, self._message])
        player.observe(self._follow_speed, "speed")
        player.observe(self._follow, ["playing", "index", "shown", "finished", "error"])
        self._follow()

    def _follow(self, _: dict | None = None) -> None:
        player = self._player
        self.play.disabled = self.step.disabled = player.playing or player.finished
        self.pause.disabled = not player.playing
        self.branch.disabled = player.playing or player.wanted < 0
        self.scrubber.disabled = player.index < 1
        with self.scrubber.hold_trait_notifications():  # it moves with the pictures, not with every step
            self.scrubber.max = max(player.shown if player.playing else player.index, 0) + 1
            self.scrubber.value = max(player.wanted, 0) + 1  # stays at the reader's choice while its picture is made
        self._message.value = error_line(player.error) if player.error else ""

    def _follow_speed(self, change: dict) -> None:
        if change["new"] not in SPEEDS.values():  # a program may set any speed
            self.speed.options = [*SPEEDS.items(), (f"{change['new']:g} steps a second", change["new"])]
        self.speed.value = change["new"]

    def _scrubbed(self, change: dict) -> None:
        if change["new"] - 1 != max(self._player.wanted, 0):  # the reader has moved it, not the player
            self._player.scrub(change["new"] - 1)

    def _branch(self) -> None:
        self._player.branch()
        self._player.play()
