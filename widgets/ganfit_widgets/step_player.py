"""Play, Pause, Step, scrub and branch for any generator of steps, with buttons that answer while it runs.

A branch is a course of its own: all courses are kept by name, to be switched between.

A step is computed in a worker thread, so the kernel's event loop stays free for clicks; pausing is not asking for the
next step. Pictures are made in the worker too, one at a time and only now and then: they never pile up. What the reader
seeks is made in a worker of its own, beside the step under way: an answer does not wait for that.
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
from ganfit_widgets.step_course import Course, Picture
from ganfit_widgets.transport import Transport

# One worker for all players: two fits at once would only fight over the same cores.
WORKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ganfit-player")
LOOKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ganfit-looker")
COURSE = "course"  # courses are called "course 1" and so on until they get another name
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
    course    name of the course that is shown; set it to switch
    names     of all courses
    error     one sentence, when the generator raised
    speed     at most so many steps a second; 0: as fast as they are computed

    Subclasses say what a step looks like: what `prepare` makes in the worker, `draw` puts into widgets.
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
        """The steps of every course by its name."""
        return {name: self._courses[name].steps for name in self.names}

    @property
    def wanted(self) -> int:
        """The step the reader looks at: the one that was sought, even if its picture is not there yet."""
        return self.shown if self._sought is None else self._sought

    @property
    def looks_back(self) -> bool:
        """Whether the reader has sought a step, and is not to be led on to the newest."""
        return self._sought is not None

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
            raise GanfitError(f"There is no step {index}; steps has {len(self.steps)}, the first at 0.")
        self.playing, self._asked, self._sought = False, 0, index
        if self._has_loop():
            self._wake()
        else:
            self._settle(self._course, LOOKER.submit(self._course.picture, index, self), sought=True)

    def branch(self, name: str = "") -> None:
        """A new course that goes on from the shown step, under the present settings; the one it leaves is kept."""
        if self._new is None or not self.can_branch:
            raise GanfitError("These steps cannot branch; give the player a function that takes start=step.")
        if self.wanted < 0:
            raise GanfitError("There is no step to branch from yet; take one first.")
        left = self._course
        kept = left.steps[: self.wanted + 1]
        self._begin(Course(self._new(start=kept[-1]), kept, shown=self.wanted, before=left.steps), self._free(name))

    def restart(self) -> None:
        """Forgets the steps of this course and begins it again, paused, with the settings the player was made with."""
        self.restore(self._made_with)
        self._begin_again()

    def _begin_again(self) -> None:
        """The same with the present settings."""
        if self._new is None:
            raise GanfitError("A generator cannot begin again; give the player a function that returns one.")
        self._begin(Course(self._new()), self.course)
        self.transport.status.value = ""
        self.reset()
        self.changed()

    def add(self, steps: list[Any], name: str = "", settings: Any = None) -> None:
        """Shows steps that were taken elsewhere as another course, which can go on from the last of them."""
        if self._new is None or not self.can_branch:
            raise GanfitError("These steps cannot go on; give the player a function that takes start=step.")
        name = self._free(name)
        self._courses[name] = Course(self._new(start=steps[-1]), steps, settings=settings)
        self.names = (*self.names, name)
        self.course = name

    def rename(self, name: str) -> None:
        """Another name for the course that is shown; GanfitError when it is empty or another course has it."""
        if name == self.course:
            return
        self._free(name, exactly=True)
        old, self._courses[name] = self.course, self._course
        self.names = tuple(name if each == old else each for each in self.names)
        self.course = name
        del self._courses[old]

    def delete(self) -> None:
        """Forgets the course that is shown and switches to the one before it; the last one stays."""
        if len(self.names) == 1:
            raise GanfitError("This is the only course; use Restart to begin it anew.")
        old, left = self.course, [name for name in self.names if name != self.course]
        self.course = left[max(0, self.names.index(old) - 1)]
        del self._courses[old]
        self.names = tuple(left)

    def run(self, steps: int | None = None) -> None:
        """For scripts: takes so many steps, or all that are left. Raises what the generator raises."""
        self.playing, self._asked, self._sought = False, 0, None
        course = self._course
        goal = None if steps is None else len(course.steps) + steps
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

    async def rest(self) -> None:
        """Waits until everything that was asked for is on the screen, unless it plays."""
        await asyncio.sleep(TICK)  # what a click asks for is begun in the next turn of the loop
        while self._unfinished or (self._task and not self._task.done() and not self.playing):
            await asyncio.sleep(TICK)

    def close(self) -> None:
        """Ends the steps and the widget; a step under way is computed and dropped."""
        self.playing, self._asked, self._course = False, 0, Course(iter(()), ended=True)
        self._courses = {self.course: self._course}
        self.finished = True
        super().close()

    def describe(self, steps: list[Any]) -> str:
        """The line beside the buttons for the last of `steps`, as HTML."""
        return self.counted(steps)

    def counted(self, steps: list[Any]) -> str:
        """ "step 3 of 20", counted from 1, or "step 3" where the end is not known."""
        left = self.remaining(steps)
        return f"step {len(steps)}" if left is None else f"step {len(steps)} of {len(steps) + left}"

    def settings(self) -> Any:
        """What the next steps depend on besides the last one; kept with every course, and given back to `restore`."""

    def restore(self, settings: Any) -> None:
        """Makes `settings` the present ones."""

    def remaining(self, steps: list[Any]) -> int | None:
        """How many steps follow the last of `steps`, if that is known."""
        return None

    def effort(self, step: Any) -> float:
        """How long this step takes, compared with others: what the time left is told from."""
        return 1.0

    def effort_left(self, steps: list[Any]) -> float | None:
        """How much follows the last of `steps` in all, if that can be told; an estimate will do."""
        return self.remaining(steps)

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
        """The name if no course has it; without one the first "course N" that is free."""
        if name and name not in self._courses:
            return name
        if name or exactly:
            raise GanfitError(f"Give the course a name that no other has, not '{name}'.")
        return next(name for n in count(1) if (name := f"{COURSE} {n}") not in self._courses)

    def _begin(self, course: Course, name: str) -> None:
        """Goes on with a new course, which takes the name's place or gets one of its own."""
        self._courses[name] = course
        self._take_up(course)
        if name not in self.names:
            self.names = (*self.names, name)
        self.course = name

    def _take_up(self, course: Course) -> None:
        self._course.shown = self.wanted  # where the reader finds it again
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
        """Takes and shows steps while any are wanted."""
        next_step = 0.0  # the time before which `speed` allows no further step
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
                work = WORKER.submit(course.picture, None, self)
            else:
                return
            await self._wait(work, loop)
            self._settle(course, work)

    async def _wait(self, work: Future[Picture | None], loop: asyncio.AbstractEventLoop) -> None:
        """Until a step is done; what the reader seeks meanwhile is shown beside it."""
        done = asyncio.wrap_future(work, loop=loop)
        while not done.done():
            await asyncio.wait([done], timeout=TICK)
            if self._seeks and not done.done():
                await self._look(loop)
        done.exception()  # _settle reports it

    @property
    def _seeks(self) -> bool:
        """Whether the reader waits for a step's picture."""
        return self.looks_back and self._sought != self._course.shown

    async def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Shows the step that the reader seeks."""
        course = self._course
        work = LOOKER.submit(course.picture, self._sought, self)
        with suppress(Exception):  # _settle reports it
            await asyncio.wrap_future(work, loop=loop)
        self._settle(course, work, sought=True)

    def _settle(self, course: Course, work: Future[Picture | None], sought: bool = False) -> None:
        """On the event loop: what a worker made goes into the traits and widgets."""
        if course is not self._course:  # restarted, branched or closed meanwhile
            return
        work.exception()  # in a script this waits for the worker
        if len(course.steps) - 1 > self.index:
            course.settings = self.settings()
        self.index = len(course.steps) - 1
        try:
            picture = work.result()
            if picture and (sought or not self.looks_back):
                course.shown = picture.index
                self.draw(picture.content)
                self.shown, self.transport.status.value = picture.index, picture.line
                self.changed()
        except Exception as error:
            course.ended, course.failure, course.shown, self._sought = True, error, len(course.steps) - 1, None
        if course.ended:
            self.error = _sentence(course.failure) if course.failure else ""
            self.playing, self.finished = False, True
            if course.steps and not course.failure:
                self.transport.status.value = course.line(course.shown, self)  # nothing is left


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, GanfitError) else f"The steps ended with an error: {type(error).__name__}: {text}"
