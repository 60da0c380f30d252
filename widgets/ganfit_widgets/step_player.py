"""Plays any generator of steps: Play, Pause, Step, scrub and branch. The buttons work while it runs.

A branch is a new course. All courses have names, and the reader can switch between them.

A step is computed in a worker thread, so that the kernel's event loop is free for clicks. To pause means to ask for no
further step. Pictures are made in the same worker, one at a time, and not after every step, so that they do not wait in
a queue. When the reader seeks a step, its picture is made in a second worker, and does not wait for the present step.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from time import monotonic
from typing import Any

import ipywidgets as widgets
from traitlets import Bool, Float, Int, Tuple, Unicode, observe, validate

from ganfit_nb.errors import GanfitError
from ganfit_widgets.component import Component
from ganfit_widgets.course_bar import CourseBar
from ganfit_widgets.step_course import Course, Frame
from ganfit_widgets.transport import Transport

# All players share one worker, because two fits at once would only compete for the same cores.
WORKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ganfit-player")
LOOKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ganfit-looker")
COURSE = "course"  # courses are called "course 1", "course 2" and so on, until they get other names
TICK = 0.02  # s, between two looks at the clock


class StepPlayer(Component):
    """Plays `steps`: a generator, or a function that returns a new one. With a function there is a Restart button. If
    it takes `start`, a step to go on from, there is also "Branch from here". To use it alone:

        player = StepPlayer(partial(invert, target, texture))
        display(player)
        await player.finish()  # or press Play

    playing   whether steps are being taken; set it to play or pause
    index     position of the newest step in `steps`; -1 before the first
    shown     position of the step that is shown
    finished  whether the generator has ended
    course    name of the course that is shown; set it to switch
    names     names of all courses
    error     one sentence, when the generator has raised an exception
    speed     largest number of steps a second; 0 for no limit

    Subclasses define how a step is shown: `prepare` makes the content in the worker, `draw` puts it into widgets.
    """

    playing = Bool(False)
    index = Int(-1)
    shown = Int(-1)
    finished = Bool(False)
    error = Unicode("")
    course = Unicode(f"{COURSE} 1")
    names = Tuple((f"{COURSE} 1",))
    speed = Float(0.0, min=0.0)

    def __init__(
        self, steps: Iterator[Any] | Callable[..., Iterator[Any]], views: Sequence[widgets.Widget] = ()
    ) -> None:
        self._new = steps if callable(steps) else None
        self.can_restart = self._new is not None
        self.can_branch = self._new is not None and "start" in inspect.signature(self._new).parameters
        self._course = Course(steps() if callable(steps) else steps)
        self._courses = {self.course: self._course}
        self._asked = 0
        self._made_with = self.settings()
        self._sought: int | None = None  # the step that the reader wants to see
        self._task: asyncio.Task | None = None
        self.transport = Transport(self)
        bars = [self.transport, CourseBar(self)] if self.can_branch else [self.transport]
        super().__init__([*bars, *views])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(index={self.index}, playing={self.playing}, finished={self.finished})"

    @property
    def steps(self) -> list[Any]:
        """Every step that the course has taken so far."""
        return self._course.steps

    @property
    def courses(self) -> dict[str, list[Any]]:
        """The steps of every course, by its name."""
        return {name: self._courses[name].steps for name in self.names}

    @property
    def wanted(self) -> int:
        """The position of the step that the reader wants to see, even if its picture does not exist yet."""
        return self.shown if self._sought is None else self._sought

    @property
    def looks_back(self) -> bool:
        """Whether the reader has chosen a step. Then the player does not move on to the newest."""
        return self._sought is not None

    def play(self) -> None:
        """Takes steps until it is paused or at the end. Returns at once."""
        self.playing = not self.finished

    def pause(self) -> None:
        """Stops after the step that is being computed."""
        self.playing = False

    def step(self) -> None:
        """Asks for one step. Returns at once."""
        self.playing, self._sought = False, None
        self._asked += 1
        self._wake()

    def scrub(self, index: int) -> None:
        """Pauses and shows an earlier step. No step is deleted: Play goes on after the newest."""
        if not 0 <= index < len(self.steps):
            raise GanfitError(f"There is no step {index}; steps has {len(self.steps)}, the first at 0.")
        self.playing, self._asked, self._sought = False, 0, index
        if self._has_loop():
            self._wake()
        else:
            self._settle(self._course, LOOKER.submit(self._course.frame, index, self), sought=True)

    def branch(self, name: str = "") -> None:
        """Begins a new course at the shown step, with the present settings. The old course is kept."""
        if self._new is None or not self.can_branch:
            raise GanfitError("These steps cannot branch; give the player a function that takes start=step.")
        if self.wanted < 0:
            raise GanfitError("There is no step to branch from yet; take one first.")
        left = self._course
        kept = left.steps[: self.wanted + 1]
        self._begin(Course(self._new(start=kept[-1]), kept, shown=self.wanted, before=left.steps), self._free(name))

    def restart(self) -> None:
        """Deletes the steps of this course and begins it again, paused, with the first settings of the player."""
        self.restore(self._made_with)
        self._begin_again()

    def _begin_again(self) -> None:
        """Deletes the steps of this course and begins it again, with the present settings."""
        if self._new is None:
            raise GanfitError("A generator cannot begin again; give the player a function that returns one.")
        self._begin(Course(self._new()), self.course)
        self.transport.status.value = ""
        self.reset()
        self.changed()

    def add(self, steps: list[Any], name: str = "", settings: Any = None) -> None:
        """Shows steps from elsewhere as another course. It can go on from the last of them."""
        if self._new is None or not self.can_branch:
            raise GanfitError("These steps cannot go on; give the player a function that takes start=step.")
        name = self._free(name)
        self._courses[name] = Course(self._new(start=steps[-1]), steps, settings=settings)
        self.names = (*self.names, name)
        self.course = name

    def rename(self, name: str) -> None:
        """Renames the course that is shown. Raises GanfitError when the name is empty or another course has it."""
        if name == self.course:
            return
        self._free(name, exactly=True)
        old, self._courses[name] = self.course, self._course
        self.names = tuple(name if each == old else each for each in self.names)
        self.course = name
        del self._courses[old]

    def delete(self) -> None:
        """Deletes the course that is shown and switches to the one before it. The last course is not deleted."""
        if len(self.names) == 1:
            raise GanfitError("This is the only course; use Restart to begin it anew.")
        old, left = self.course, [name for name in self.names if name != self.course]
        self.course = left[max(0, self.names.index(old) - 1)]
        del self._courses[old]
        self.names = tuple(left)

    def run(self, steps: int | None = None) -> None:
        """Takes so many steps, or all that are left, and waits; for scripts. Raises what the generator raises."""
        self.playing, self._asked, self._sought = False, 0, None
        course = self._course
        goal = None if steps is None else len(course.steps) + steps
        while not course.ended and (goal is None or len(course.steps) < goal):
            self._settle(course, WORKER.submit(course.take, self))
        self._settle(course, WORKER.submit(course.frame, None, self))
        if course.failure:
            raise course.failure

    async def finish(self) -> None:
        """Plays to the end. The buttons work during this time. Raises what the generator raises."""
        self.play()
        while not self.finished:
            await asyncio.sleep(TICK)
        if self._course.failure:
            raise self._course.failure

    async def rest(self) -> None:
        """Waits until every step that was asked for is shown. It does not wait for a player that is playing."""
        await asyncio.sleep(TICK)  # the action of a click begins in the next turn of the loop
        while self._unfinished or (self._task and not self._task.done() and not self.playing):
            await asyncio.sleep(TICK)

    def close(self) -> None:
        """Closes the player. A step that is being computed is finished and dropped."""
        self.playing, self._asked, self._course = False, 0, Course(iter(()), ended=True)
        self._courses = {self.course: self._course}
        self.finished = True
        super().close()

    def describe(self, steps: list[Any]) -> str:
        """The line beside the buttons for the last of `steps`, as HTML."""
        return self.counted(steps)

    def counted(self, steps: list[Any]) -> str:
        """The number of the last step, counted from 1: "step 3 of 20", or "step 3" when the end is unknown."""
        left = self.remaining(steps)
        return f"step {len(steps)}" if left is None else f"step {len(steps)} of {len(steps) + left}"

    def settings(self) -> Any:
        """The values, besides the last step, that the next steps depend on.

        They are kept with every course, and passed to `restore`.
        """

    def restore(self, settings: Any) -> None:
        """Makes `settings` the present ones."""

    def remaining(self, steps: list[Any]) -> int | None:
        """The number of steps that follow the last of `steps`, or None if it is unknown."""
        return None

    def effort(self, step: Any) -> float:
        """The time of this step, relative to others. The time left is estimated from it."""
        return 1.0

    def effort_left(self, steps: list[Any]) -> float | None:
        """The effort of all steps after the last of `steps`, or None if it is unknown. It may be an estimate."""
        return self.remaining(steps)

    def prepare(self, steps: list[Any]) -> Any:
        """The content that `draw` needs for the last of `steps`. Called in the worker, for steps that are shown."""
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

    @validate("course")
    def _known_course(self, proposal: dict) -> str:
        if proposal["value"] not in self._courses:
            raise GanfitError(f"There is no course {proposal['value']}; there are {', '.join(self.names)}.")
        return proposal["value"]

    @observe("course")
    def _course_changed(self, _: dict) -> None:
        course = self._courses[self.course]
        if course is self._course:
            return
        self._take_up(course)
        if course.settings is not None:
            self.restore(course.settings)
        seen, course.shown = course.shown, -1
        if course.steps:
            self.scrub(seen if 0 <= seen < len(course.steps) else len(course.steps) - 1)
        else:
            self.transport.status.value = ""
            self.reset()

    def _free(self, name: str, exactly: bool = False) -> str:
        """The given name if no course has it. Without a name, the first "course N" that is free."""
        if name and name not in self._courses:
            return name
        if name or exactly:
            raise GanfitError(f"Give the course a name that no other has, not '{name}'.")
        return next(name for n in count(1) if (name := f"{COURSE} {n}") not in self._courses)

    def _begin(self, course: Course, name: str) -> None:
        """Goes on with a new course. It replaces the course with this name, or is added."""
        self._courses[name] = course
        self._take_up(course)
        if name not in self.names:
            self.names = (*self.names, name)
        self.course = name

    def _take_up(self, course: Course) -> None:
        self._course.shown = self.wanted  # the same step is shown when the reader returns
        self.playing, self._asked, self._sought = False, 0, None
        self._course = course
        failure = course.failure
        self.shown, self.index, self.finished = course.shown, len(course.steps) - 1, course.ended
        self.error = _sentence(failure) if failure else ""

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
        """Takes and shows steps as long as some are wanted."""
        next_step = 0.0  # earliest time of the next step that `speed` allows
        while True:
            course = self._course
            if self._seeks:
                await self._look(loop)
                continue
            if self._asked or (self.playing and not course.ended):
                if not self._asked and (early := next_step - monotonic()) > 0:
                    await asyncio.sleep(min(early, TICK))
                    continue
                self._asked = max(0, self._asked - 1)
                next_step = monotonic() + (1 / self.speed if self.speed else 0.0)
                work = WORKER.submit(course.take, self)
            elif self._sought is None and course.shown < len(course.steps) - 1:
                work = WORKER.submit(course.frame, None, self)
            else:
                return
            await self._wait(work, loop)
            self._settle(course, work)

    async def _wait(self, work: Future[Frame | None], loop: asyncio.AbstractEventLoop) -> None:
        """Waits until a step is done. Steps that the reader seeks are shown during this time."""
        done = asyncio.wrap_future(work, loop=loop)
        while not done.done():
            await asyncio.wait([done], timeout=TICK)
            if self._seeks and not done.done():
                await self._look(loop)
        done.exception()  # _settle reports it

    @property
    def _seeks(self) -> bool:
        """Whether the reader is waiting for the picture of a step."""
        return self.looks_back and self._sought != self._course.shown

    async def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Shows the step that the reader seeks."""
        course = self._course
        work = LOOKER.submit(course.frame, self._sought, self)
        with suppress(Exception):  # _settle reports it
            await asyncio.wrap_future(work, loop=loop)
        self._settle(course, work, sought=True)

    def _settle(self, course: Course, work: Future[Frame | None], sought: bool = False) -> None:
        """Puts the result of a worker into the traits and widgets. Called on the event loop."""
        if course is not self._course:  # the player was restarted, branched or closed in the meantime
            return
        work.exception()  # in a script this waits for the worker
        if len(course.steps) - 1 > self.index:
            course.settings = self.settings()
        self.index = len(course.steps) - 1
        try:
            frame = work.result()
            if frame and (sought or not self.looks_back):
                course.shown = frame.index
                self.draw(frame.content)
                self.shown, self.transport.status.value = frame.index, frame.line
                self.changed()
        except Exception as error:
            course.ended, course.failure, course.shown, self._sought = True, error, len(course.steps) - 1, None
        if course.ended:
            self.error = _sentence(course.failure) if course.failure else ""
            self.playing, self.finished = False, True
            if course.steps and not course.failure:
                self.transport.status.value = course.line(course.shown, self)  # the time left is gone from the line


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, GanfitError) else f"The steps ended with an error: {type(error).__name__}: {text}"
