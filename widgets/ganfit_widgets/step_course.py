"""One course of a player: the steps taken, how fast, and when the next picture is due."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol, runtime_checkable

SHOW_EVERY = 0.15  # seconds between two pictures at least; WebGL in software draws about ten a second
SHOW_SHARE = 4  # and after each picture this many times as long for steps alone,
SHOW_WITHIN = 1.0  # but at most so many seconds
RATE_OVER = 10  # steps the pace is averaged over


@runtime_checkable
class Shows(Protocol):
    """What a course asks its player for, in a worker."""

    @property
    def looks_back(self) -> bool:
        """Whether no picture of the newest step is wanted."""

    def describe(self, steps: list[Any]) -> str:
        """The last of `steps` in words."""

    def remaining(self, steps: list[Any]) -> int | None:
        """How many steps follow it, if that is known."""

    def effort(self, step: Any) -> float:
        """How long a step takes, in a unit that all steps share."""

    def effort_left(self, steps: list[Any]) -> float | None:
        """How long all take that follow the last of `steps`, in the same unit."""

    def prepare(self, steps: list[Any]) -> Any:
        """What is needed to show it."""


@dataclass(frozen=True)
class Picture:
    """How step `index` is shown: the line beside the buttons, and what a subclass of StepPlayer prepared."""

    index: int
    line: str
    content: Any


@dataclass
class Course:
    """Its methods run in workers. One alone takes steps and appends to `steps`; another looks at what is there.

    settings  of the player when the newest step was taken
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

    def take(self, player: Shows) -> Picture | None:
        """One step, and its picture if it is time for one."""
        start = monotonic()
        try:
            self.steps.append(next(self.source))
            self._seconds.append(monotonic() - start)
            self._efforts.append(player.effort(self.steps[-1]))
        except StopIteration:
            self.ended = True
        except Exception as error:  # whatever a generator raises is for the reader, not for the kernel's log
            self.ended, self.failure = True, error
        if player.looks_back or not (self.ended or monotonic() >= self._next_show):
            return None
        return self.picture(None, player)

    def picture(self, index: int | None, player: Shows) -> Picture | None:
        """The picture of a step, by default the newest, unless it is the one that is shown."""
        index = len(self.steps) - 1 if index is None else index
        if index == self.shown:
            return None
        start = monotonic()
        picture = Picture(index, self.line(index, player), player.prepare(self.steps[: index + 1]))
        spent = monotonic() - start
        self._next_show = start + spent + min(max(SHOW_EVERY, SHOW_SHARE * spent), SHOW_WITHIN)
        return picture

    def line(self, index: int, player: Shows) -> str:
        """A step in words, and of the newest the pace and the time left."""
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
