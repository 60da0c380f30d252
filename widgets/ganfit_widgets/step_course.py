"""One course of a player: its steps, its pace, and the time when the next picture is due."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol, runtime_checkable

SHOW_EVERY = 0.15  # s, between two pictures at least; software WebGL draws about ten a second
SHOW_SHARE = 4  # after a picture, only steps are computed for this many times the picture's time,
SHOW_WITHIN = 1.0  # s, but at most for this long
RATE_OVER = 10  # number of steps that the pace is averaged over


@runtime_checkable
class Shows(Protocol):
    """The part of a player that a course calls, in a worker."""

    @property
    def looks_back(self) -> bool:
        """Whether the reader looks at an older step, so that no picture of the newest is wanted."""

    def describe(self, steps: list[Any]) -> str:
        """The last of `steps` in words."""

    def remaining(self, steps: list[Any]) -> int | None:
        """The number of steps that follow the last of `steps`, or None if it is unknown."""

    def effort(self, step: Any) -> float:
        """The time that a step takes, in a unit that all steps share."""

    def effort_left(self, steps: list[Any]) -> float | None:
        """The time of all steps that follow the last of `steps`, in the same unit, or None if it is unknown."""

    def prepare(self, steps: list[Any]) -> Any:
        """The content that is needed to show the last of `steps`."""


@dataclass(frozen=True)
class Frame:
    """The content to show step `index`: the line beside the buttons, and the result of the player's `prepare`."""

    index: int
    line: str
    content: Any


@dataclass
class Course:
    """A course. Its methods run in two workers: one takes steps and appends them to `steps`, the other only reads.

    settings  settings of the player when the newest step was taken
    before    the steps of the course that this one branched off from
    """

    source: Iterator[Any]
    steps: list[Any] = field(default_factory=list)
    shown: int = -1
    ended: bool = False
    failure: Exception | None = None
    settings: Any = None
    before: list[Any] = field(default_factory=list)
    _next_show: float = 0.0
    _seconds: deque[float] = field(default_factory=lambda: deque(maxlen=RATE_OVER))
    _efforts: deque[float] = field(default_factory=lambda: deque(maxlen=RATE_OVER))

    def take(self, player: Shows) -> Frame | None:
        """Takes one step. Returns its frame if it is time to show one, else None."""
        start = monotonic()
        try:
            self.steps.append(next(self.source))
            self._seconds.append(monotonic() - start)
            self._efforts.append(player.effort(self.steps[-1]))
        except StopIteration:
            self.ended = True
        except Exception as error:  # the player shows it to the reader; in the kernel's log nobody would see it
            self.ended, self.failure = True, error
        if player.looks_back or not (self.ended or monotonic() >= self._next_show):
            return None
        return self.frame(None, player)

    def frame(self, index: int | None, player: Shows) -> Frame | None:
        """The frame of a step, by default of the newest. None if this step is shown already."""
        index = len(self.steps) - 1 if index is None else index
        if index == self.shown:
            return None
        start = monotonic()
        frame = Frame(index, self.line(index, player), player.prepare(self.steps[: index + 1]))
        spent = monotonic() - start
        self._next_show = start + spent + min(max(SHOW_EVERY, SHOW_SHARE * spent), SHOW_WITHIN)
        return frame

    def line(self, index: int, player: Shows) -> str:
        """A step in words; for the newest step with the pace and the time left."""
        line = player.describe(self.steps[: index + 1])
        return line + self._pace(player) if index == len(self.steps) - 1 else line

    def _pace(self, player: Shows) -> str:
        seconds = sum(self._seconds)
        if not seconds:
            return ""
        rate = len(self._seconds) / seconds
        pace = f" · {rate:.{1 if rate < 100 else 0}f} steps/s"
        effort = None if self.ended else player.effort_left(self.steps)
        if effort is None:
            return pace
        about = "about " if player.remaining(self.steps) is None else ""
        return f"{pace} · {about}{effort * seconds / sum(self._efforts):.0f} s left"
