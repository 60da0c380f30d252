"""Play, Pause and Step for any generator of steps, with buttons that answer while it runs.

A step is computed in a worker thread, so the kernel's event loop stays free for clicks; pausing is not asking for the
next step. Pictures are made in the worker too, one at a time and only now and then: they never pile up.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import ipywidgets as widgets
from traitlets import Bool, Int, Unicode, observe

from ganfit_nb.errors import GanfitError
from ganfit_widgets.component import Component, button

# One worker for all players: two fits at once would only fight over the same cores.
WORKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ganfit-player")
SHOW_EVERY = 0.15  # seconds between two pictures at least; WebGL in software draws about ten a second
SHOW_SHARE = 4  # and after each picture this many times as long for steps alone,
SHOW_WITHIN = 1.0  # but at most so many seconds


@dataclass
class _Course:
    """One pass through a generator. Only the worker takes steps; it alone appends to `steps`."""

    source: Iterator[Any]
    steps: list[Any] = field(default_factory=list)
    shown: int = 0
    next_show: float = 0.0
    ended: bool = False
    failure: Exception | None = None


@dataclass(frozen=True)
class _Picture:
    """How the first `count` steps are shown: the line beside the buttons, and what a subclass prepared."""

    count: int
    line: str
    content: Any


class StepPlayer(Component):
    """Plays `steps`: a generator, or a function that returns a new one (then there is a Restart button).

    playing   whether steps are being taken; set it to play or pause
    index     position of the newest step in `steps`; -1 before the first
    finished  the generator has ended
    error     one sentence, when the generator raised

    Subclasses say what a step looks like: what `prepare` makes in the worker, `draw` puts into widgets.
    """

    playing = Bool(False)
    index = Int(-1)
    finished = Bool(False)
    error = Unicode("")

    def __init__(
        self, steps: Iterator[Any] | Callable[[], Iterator[Any]], views: tuple[widgets.Widget, ...] = ()
    ) -> None:
        self._restart_with = steps if callable(steps) else None
        self._course = _Course(steps() if callable(steps) else steps)
        self._asked = 0
        self._task: asyncio.Task | None = None
        self._play = button("Play", "play", "Take steps until paused", self.play)
        self._pause = button("Pause", "pause", "Stop after the step under way", self.pause)
        self._step = button("Step", "step-forward", "Take one step", self.step)
        self._restart = button("Restart", "undo", "Begin again", self.restart)
        self._status = widgets.HTML()
        self._message = widgets.HTML(layout={"display": "none"})
        buttons = [self._play, self._pause, self._step] + ([self._restart] if self._restart_with else [])
        controls = widgets.HBox(
            [*buttons, self._status], layout={"flex_flow": "row wrap", "align_items": "center", "grid_gap": "2px"}
        )
        super().__init__([controls, self._message, *views])
        self._update_buttons()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(index={self.index}, playing={self.playing}, finished={self.finished})"

    @property
    def steps(self) -> list[Any]:
        """Every step taken so far."""
        return self._course.steps

    def play(self) -> None:
        """Takes steps until paused or at the end; returns at once."""
        self.playing = not self.finished

    def pause(self) -> None:
        """Stops after the step under way."""
        self.playing = False

    def step(self) -> None:
        """Asks for one step; returns at once."""
        self.playing = False
        self._asked += 1
        self._wake()

    def restart(self) -> None:
        """Forgets all steps and begins with a new generator, paused."""
        if self._restart_with is None:
            raise GanfitError("A generator cannot begin again; give the player a function that returns one.")
        self.playing, self._asked = False, 0
        self._course = _Course(self._restart_with())
        self.index, self.finished, self.error, self._status.value = -1, False, "", ""
        self.reset()

    def run(self, count: int | None = None) -> None:
        """For scripts: takes `count` steps, or all that are left. Raises what the generator raises."""
        self.playing, self._asked = False, 0
        course = self._course
        goal = None if count is None else len(course.steps) + count
        while not course.ended and (goal is None or len(course.steps) < goal):
            self._settle(course, WORKER.submit(self._take, course))
        self._settle(course, WORKER.submit(self._picture, course))
        if course.failure:
            raise course.failure

    async def finish(self) -> None:
        """Plays to the end; the buttons answer meanwhile. Raises what the generator raises."""
        self.play()
        while not self.finished:
            await asyncio.sleep(0.02)
        if self._course.failure:
            raise self._course.failure

    def close(self) -> None:
        """Ends the steps and the widget; a step under way is computed and dropped."""
        self.playing, self._asked, self._course = False, 0, _Course(iter(()), ended=True)
        self.finished = True
        super().close()

    def describe(self, steps: list[Any]) -> str:
        """The line beside the buttons, as HTML."""
        return f"step {len(steps) - 1}"

    def prepare(self, steps: list[Any]) -> Any:
        """What `draw` needs to show the last of `steps`. Called in the worker, only for steps that are shown."""
        return steps[-1]

    def draw(self, content: Any) -> None:
        """Puts what `prepare` made into the widgets. Called on the event loop."""

    def reset(self) -> None:
        """Shows the state before the first step."""

    @observe("playing")
    def _playing_changed(self, change: dict) -> None:
        if change["new"]:
            self._wake()
        self._update_buttons()

    @observe("finished", "error")
    def _outcome_changed(self, change: dict) -> None:
        self._message.value = f'<span style="color:var(--jp-error-color1, #d32f2f)">{html.escape(self.error)}</span>'
        self._message.layout.display = None if self.error else "none"
        self._update_buttons()

    def _update_buttons(self) -> None:
        self._play.disabled = self.playing or self.finished
        self._pause.disabled = not self.playing
        self._step.disabled = self.playing or self.finished

    def _wake(self) -> None:
        if self._loop is None or self._loop.is_closed():
            self.playing, self._asked = False, 0
            raise GanfitError("Play and Step need the event loop of a notebook; use run() in a script.")
        self._loop.call_soon_threadsafe(self._ensure_task, self._loop)

    def _ensure_task(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._drive(loop))

    async def _drive(self, loop: asyncio.AbstractEventLoop) -> None:
        """Takes and shows steps while any are wanted."""
        while True:
            course = self._course
            if not course.ended and (self.playing or self._asked):
                self._asked = max(0, self._asked - 1)
                work = WORKER.submit(self._take, course)
            elif course.shown < len(course.steps):
                work = WORKER.submit(self._picture, course)
            else:
                return
            with suppress(Exception):  # _settle reports it
                await asyncio.wrap_future(work, loop=loop)
            self._settle(course, work)

    def _take(self, course: _Course) -> _Picture | None:
        """In the worker: one step, and its picture if it is time for one."""
        try:
            course.steps.append(next(course.source))
        except StopIteration:
            course.ended = True
        except Exception as error:  # whatever a generator raises is for the reader, not for the kernel's log
            course.ended, course.failure = True, error
        return self._picture(course) if course.ended or monotonic() >= course.next_show else None

    def _picture(self, course: _Course) -> _Picture | None:
        """In the worker: the picture of the newest step, unless it is shown already."""
        if course.shown == len(course.steps):
            return None
        start = monotonic()
        picture = _Picture(len(course.steps), self.describe(course.steps), self.prepare(course.steps))
        spent = monotonic() - start
        course.next_show = start + spent + min(max(SHOW_EVERY, SHOW_SHARE * spent), SHOW_WITHIN)
        return picture

    def _settle(self, course: _Course, work: Future[_Picture | None]) -> None:
        """On the event loop: what the worker made goes into the traits and widgets."""
        if course is not self._course:  # restarted or closed meanwhile
            return
        try:
            picture = work.result()
            if picture and picture.count > course.shown:
                course.shown = picture.count
                self._status.value = picture.line
                self.draw(picture.content)
                self.changed()
        except Exception as error:
            course.ended, course.failure, course.shown = True, error, len(course.steps)
        self.index = len(course.steps) - 1
        if course.ended:
            self.error = _sentence(course.failure) if course.failure else ""
            self.playing, self.finished = False, True


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, GanfitError) else f"The steps ended with an error: {type(error).__name__}: {text}"
