"""The base of all components: a common stylesheet, and a picture of the last state that stays in a saved notebook."""

from __future__ import annotations

import asyncio
import base64
import html
import io
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from importlib.resources import files
from typing import Any, TypeVar
from weakref import WeakSet

import ipywidgets as widgets
from IPython import get_ipython
from IPython.display import display, update_display
from PIL import Image

from ganfit_widgets.awaited_cells import answer_widgets
from ganfit_widgets.live import in_voila

PAGE, GAP = 1100, 6  # px, the width of a page of pictures, and the gap between two of them
QUIET = 0.5  # s; the saved picture is updated after this time without a change
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
Result = TypeVar("Result")
_changed: WeakSet[Component] = WeakSet()
_stylesheet: list[widgets.HTML] = []


class Component(widgets.VBox):
    """A VBox that leaves a picture of its last state in the output of its cell.

    The picture is an output of its own after the widget. The stylesheet hides it where the widget is live. It is not in
    the same output as the widget, because then every update of the picture would build the live view again. Subclasses
    define `picture`, and call `changed` when it has changed. `Component([HBox([a, b])])` puts components side by side.
    """

    def __init__(self, children: Sequence[widgets.Widget] = ()) -> None:
        self._picture_id: str | None = None  # None until the component is displayed
        self._timer: asyncio.TimerHandle | None = None
        self._unfinished: set[Future] = set()
        try:
            # A click may arrive in another thread (JupyterLab's subshells). Its action runs on this loop.
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        answer_widgets()
        super().__init__([stylesheet(), *children])
        self.add_class("ganfit")

    def picture(self) -> Image.Image:
        """A picture of the present state: by default those of all components and images inside, from left to right."""
        return joined(list(_pictures_within(self.children)))

    def changed(self) -> None:
        """Tells that `picture` has changed.

        The saved picture is updated at the end of the running cell, or when nothing has changed for half a second.
        """
        if self._picture_id:
            _changed.add(self)
            if self._loop and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._save_when_quiet)

    def when_done(self, work: Future[Result], action: Callable[[Future[Result]], object]) -> None:
        """Calls `action(work)` on the event loop when a worker has finished. In a script it waits for the worker."""

        def act(done: Future[Result]) -> None:
            self._unfinished.discard(done)
            action(done)

        self._unfinished.add(work)
        if self._loop and not self._loop.is_closed():
            loop = self._loop
            work.add_done_callback(lambda done: loop.call_soon_threadsafe(act, done))
        else:
            act(work)

    def close(self) -> None:
        """Closes the widget. Its picture stays."""
        self._save_picture()
        super().close()

    def _save_when_quiet(self) -> None:
        if self._timer:
            self._timer.cancel()
        if self._loop:
            self._timer = self._loop.call_later(QUIET, self._save_picture)

    def _save_picture(self) -> None:
        if self in _changed:
            _changed.discard(self)
            self._show_picture(update_display)

    def _show_picture(self, show: Callable[..., Any]) -> None:
        """Sends the present picture by `show`, which is IPython's `display` or `update_display`."""
        data = io.BytesIO()
        self.picture().convert("RGB").save(data, "JPEG", quality=92, subsampling=0)
        content = {"image/jpeg": base64.b64encode(data.getvalue()).decode(), "text/plain": "its last state"}
        show(content, raw=True, display_id=self._picture_id)

    def _ipython_display_(self, **kwargs: Any) -> None:
        text = f"{type(self).__name__}: run the notebook to use it; below is its last state."
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        display({WIDGET_VIEW: view, "text/plain": text}, raw=True)
        if in_voila():  # Voila saves no notebook, so it needs no picture
            return
        self._picture_id = self._picture_id or uuid.uuid4().hex
        self._show_picture(display)
        shell = get_ipython()
        if shell and _save_changed not in shell.events.callbacks["post_run_cell"]:
            shell.events.register("post_run_cell", _save_changed)


def joined(pictures: Sequence[Image.Image]) -> Image.Image:
    """Joins pictures from left to right on white, in rows that are no wider than a page."""
    places, x, y, height = [], 0, 0, 0
    for picture in pictures:
        if x and x + picture.width > PAGE:
            x, y, height = 0, y + height + GAP, 0
        places.append((x, y))
        x, height = x + picture.width + GAP, max(height, picture.height)
    right = max((x + picture.width for (x, _), picture in zip(places, pictures, strict=True)), default=1)
    sheet = Image.new("RGB", (right, max(y + height, 1)), "white")
    for place, picture in zip(places, pictures, strict=True):
        sheet.paste(picture, place)
    return sheet


def stylesheet() -> widgets.HTML:
    """The styles of all components, in one widget that they share."""
    if not _stylesheet or _stylesheet[0].comm is None:
        styles = files("ganfit_widgets").joinpath("style.css").read_text(encoding="utf-8")
        _stylesheet[:] = [widgets.HTML(f"<style>{styles}</style>", layout={"display": "none"})]
    return _stylesheet[0]


def button(text: str, icon: str, tooltip: str, action: Any) -> widgets.Button:
    """A button as wide as its text. `action` takes no argument."""
    made = widgets.Button(description=text, icon=icon, tooltip=tooltip, layout={"width": "auto"})
    made.on_click(lambda _: action())
    return made


def error_line(error: object) -> str:
    """The sentence of an error as HTML, in the colour of errors."""
    return f'<span class="ganfit-error">{html.escape(str(error))}</span>'


def light_up(switch: widgets.Button, on: bool) -> None:
    """Makes a button look pressed while the state that it switches is on."""
    (switch.add_class if on else switch.remove_class)("mod-active")


def grow(view: widgets.DOMWidget, size: int, times: float = 2.0) -> None:
    """Makes a view at least `size` pixels wide, and lets it grow with the window up to `times` that.

    Several such views share a row evenly.
    """
    view.layout.flex, view.layout.min_width = f"1 1 {size}px", f"{size}px"
    view.layout.max_width = f"{round(times * size)}px"


class SideBySide(widgets.HBox):
    """Some views in one row, all of the same width, so that they can be compared."""

    def __init__(self, size: int) -> None:
        self._size = size
        super().__init__()
        self.add_class("ganfit-together")

    def show(self, views: Sequence[widgets.DOMWidget]) -> None:
        """Shows these views, each at least `size` pixels wide."""
        grow(self, len(views) * (self._size + GAP) - GAP)
        self.children = views


def _pictures_within(children: Sequence[widgets.Widget]) -> Iterator[Image.Image]:
    for child in children:
        if isinstance(child, Component):
            yield child.picture()
        elif isinstance(child, widgets.Box):
            yield from _pictures_within(child.children)
        elif isinstance(child, widgets.Image) and child.value:
            yield Image.open(io.BytesIO(child.value))


def _save_changed(*_: Any) -> None:
    for component in list(_changed):
        component._save_picture()
