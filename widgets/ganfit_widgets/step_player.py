"""Play, Pause, Step, scrub and branch for any generator of steps, with buttons that answer while it runs.

A step is computed in a worker thread, so the kernel's event loop stays free for clicks; pausing is not asking for the
next step. Pictures are made in the worker too, one at a time and only now and then: they never pile up.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from time import monotonic
from typing import Any

import ipywidgets as widgets
from traitlets import Bool, Float, Int, Unicode, observe

from ganfit_nb.errors import GanfitError
from ganfit_widgets.component import Component
from ganfit_widgets.step_course import Course, Picture
from ganfit_widgets.transport import Transport

# One worker for all players: two fits at once would only fight over the same cores.
WORKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ganfit-player")
TICK = 0.02  # seconds between two looks at a clock


class StepPlayer(Component):
    """Plays `steps`: a generator, or a function that returns a new one (then there is Restart). If that function takes
    `start`, a step to go on from, there is "Branch from here" too. Alone in three lines:

        player = StepPlayer(partial(invert, target, texture))
        display(player)
        await player.finish()  # or press Play

    playing   whether steps are being taken; set it to play or pause
    index     position of the newest step in `steps`; -1 before the first
    shown     position of the step on the screen
    finished  the generator has ended
    error     one sentence, when the generator raised
    speed     at most so many steps a second; 0: as fast as they are computed

    Subclasses say what a step looks like: what `prepare` makes in the worker, `draw` puts into widgets.
    """

    playing = Bool(False)
    index = Int(-1)
    shown = Int(-1)
    finished = Bool(False)
    error = Unicode("")
    speed = Float(0.0, min=0.0)

    def __init__(
        self, steps: Iterator[Any] | Callable[..., Iterator[Any]], views: Sequence[widgets.Widget] = ()
    ) -> None:
        self._new = steps if callable(steps) else None
        self.can_restart = self._new is not None
        self.can_branch = self._new is not None and "start" in inspect.signature(self._new).parameters
        self._course = Course(steps() if callable(steps) else steps)
        self._asked = 0
        self._sought: int | None = None  # the step that the reader wants to see
        self._task: asyncio.Task | None = None
        self.transport = Transport(self)
        super().__init__([self.transport, *views])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(index={self.index}, playing={self.playing}, finished={self.finished})"

    @property
    def steps(self) -> list[Any]:
        """Every step taken so far."""
        return self._course.steps

    @property
    def wanted(self) -> int:
        """The step the reader looks at: the one that was sought, even if its picture is not there yet."""
        return self.shown if self._sought is None else self._sought

    def play(self) -> None:
        """Takes steps until paused or at the end; returns at once."""
        self.playing = not self.finished

    def pause(self) -> None:
        """Stops after the step under way."""
        self.playing = False

    def step(self) -> None:
        """Asks for one step; returns at once."""
        self.playing, self._sought = False, None
        self._asked += 1
        self._wake()

    def scrub(self, index: int) -> None:
        """Pauses and shows an earlier step. Nothing is forgotten: Play goes on after the newest."""
        if not 0 <= index < len(self.steps):
            raise GanfitError(f"There is no step {index}; {len(self.steps)} were taken, counted from 0.")
        self.playing, self._asked, self._sought = False, 0, index
        if self._has_loop():
            self._wake()
        else:
            self._settle(self._course, WORKER.submit(self._course.picture, index, self))

    def branch(self) -> None:
        """Forgets the steps after the shown one; the next step goes on from that one, under the present settings."""
        if self._new is None or not self.can_branch:
            raise GanfitError("These steps cannot branch; give the player a function that takes start=step.")
        if self.wanted < 0:
            raise GanfitError("There is no step to branch from yet; take one first.")
        kept = self.steps[: self.wanted + 1]
        self._begin(Course(self._new(start=kept[-1]), kept, shown=self.wanted))

    def restart(self) -> None:
        """Forgets all steps and begins with a new generator, paused."""
        if self._new is None:
            raise GanfitError("A generator cannot begin again; give the player a function that returns one.")
        self._begin(Course(self._new()))
        self.transport.status.value = ""
        self.reset()
        self.changed()

    def run(self, count: int | None = None) -> None:
        """For scripts: takes `count` steps, or all that are left. Raises what the generator raises."""
        self.playing, self._asked, self._sought = False, 0, None
        course = self._course
        goal = None if count is None else len(course.steps) + count
        while not course.ended and (goal is None or len(course.steps) < goal):
            self._settle(course, WORKER.submit(course.take, self))
        self._settle(course, WORKER.submit(course.picture, None, self))
        if course.failure:
            raise course.failure

    async def finish(self) -> None:
        """Plays to the end; the buttons answer meanwhile. Raises what the generator raises."""
        self.play()
        while not self.finished:
            await asyncio.sleep(TICK)
        if self._course.failure:
            raise self._course.failure

    def close(self) -> None:
        """Ends the steps and the widget; a step under way is computed and dropped."""
        self.playing, self._asked, self._course = False, 0, Course(iter(()), ended=True)
        self.finished = True
        super().close()

    def describe(self, steps: list[Any]) -> str:
        """The line beside the buttons for the last of `steps`, as HTML."""
        return f"step {len(steps) - 1}"

    def remaining(self, steps: list[Any]) -> int | None:
        """How many steps follow the last of `steps`, if that is known."""
        return None

    def prepare(self, steps: list[Any]) -> Any:
        """What `draw` needs to show the last of `steps`. Called in the worker, only for steps that are shown."""
        return steps[-1]

    def draw(self, content: Any) -> None:
        """Puts what `prepare` made into the widgets. Called on the event loop."""

    def reset(self) -> None:
        """Shows the state before the first step."""

    @observe("playing")
    def _playing_changed(self, change: dict) -> None:
        if change["new"] and self.finished:
            self.playing = False
        elif change["new"]:
            self._sought = None
            self._wake()

    def _begin(self, course: Course) -> None:
        self.playing, self._asked, self._sought = False, 0, None
        self._course = course
        self.shown, self.index, self.finished, self.error = course.shown, len(course.steps) - 1, False, ""

    def _has_loop(self) -> bool:
        return self._loop is not None and not self._loop.is_closed()

    def _wake(self) -> None:
        if self._loop is None or not self._has_loop():
            self.playing, self._asked = False, 0
            raise GanfitError("Play and Step need the event loop of a notebook; use run() in a script.")
        self._loop.call_soon_threadsafe(self._ensure_task, self._loop)

    def _ensure_task(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._drive(loop))

    async def _drive(self, loop: asyncio.AbstractEventLoop) -> None:
        """Takes and shows steps while any are wanted."""
        next_step = 0.0  # the time before which `speed` allows no further step
        while True:
            course, sought = self._course, self._sought
            if sought is not None and sought != course.shown:
                work = WORKER.submit(course.picture, sought, self)
            elif self._asked or (self.playing and not course.ended):
                if not self._asked and (early := next_step - monotonic()) > 0:
                    await asyncio.sleep(min(early, TICK))
                    continue
                self._asked = max(0, self._asked - 1)
                next_step = monotonic() + (1 / self.speed if self.speed else 0.0)
                work = WORKER.submit(course.take, self)
            elif sought is None and course.shown < len(course.steps) - 1:
                work = WORKER.submit(course.picture, None, self)
            else:
                return
            with suppress(Exception):  # _settle reports it
                await asyncio.wrap_future(work, loop=loop)
            self._settle(course, work)

    def _settle(self, course: Course, work: Future[Picture | None]) -> None:
        """On the event loop: what the worker made goes into the traits and widgets."""
        if course is not self._course:  # restarted, branched or closed meanwhile
            return
        work.exception()  # in a script this waits for the worker
        self.index = len(course.steps) - 1
        try:
            if picture := work.result():
                course.shown = picture.index
                self.draw(picture.content)
                self.shown, self.transport.status.value = picture.index, picture.line
                self.changed()
        except Exception as error:
            course.ended, course.failure, course.shown, self._sought = True, error, len(course.steps) - 1, None
        if course.ended:
            self.error = _sentence(course.failure) if course.failure else ""
            self.playing, self.finished = False, True


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, GanfitError) else f"The steps ended with an error: {type(error).__name__}: {text}"
