"""What every component shares: the one stylesheet, and a picture of its last state that stays in a saved notebook."""

from __future__ import annotations

import asyncio
import base64
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

PAGE, GAP = 1100, 6  # pixels: the width of a page of pictures, and between two of them
QUIET = 0.5  # seconds without a change after which the saved picture follows
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
Result = TypeVar("Result")
_changed: WeakSet[Component] = WeakSet()
_stylesheet: list[widgets.HTML] = []


class Component(widgets.VBox):
    """A VBox that leaves a picture of its last state in the output of its cell.

    The picture is an output of its own after the widget, which the stylesheet hides wherever the widget is alive. Put
    beside the widget in one output, every update of it would build the live view anew. Subclasses say what `picture`
    is, and call `changed` when it is another. To put components side by side: `Component([HBox([a, b])])`.
    """

    def __init__(self, children: Sequence[widgets.Widget] = ()) -> None:
        self._picture_id: str | None = None  # none as long as the component is not displayed
        self._timer: asyncio.TimerHandle | None = None
        self._unfinished: set[Future] = set()
        try:
            # A click may arrive in another thread (JupyterLab's subshells); what it asks for is done on this loop.
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        answer_widgets()
        super().__init__([stylesheet(), *children])
        self.add_class("ganfit")

    def picture(self) -> Image.Image:
        """The present state: by default the pictures of all components and images inside, left to right."""
        return joined(list(_pictures_within(self.children)))

    def changed(self) -> None:
        """Says that `picture` is another now. The saved one follows at the end of the running cell, or when nothing
        has changed for half a second."""
        if self._picture_id:
            _changed.add(self)
            if self._loop and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._save_when_quiet)

    def when_done(self, work: Future[Result], action: Callable[[Future[Result]], object]) -> None:
        """Calls `action(work)` on the event loop when a worker has done its work; in a script, waits for it."""

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
        """Ends the widget; its picture stays."""
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
        """Sends the present picture by IPython's `display` or `update_display`."""
        data = io.BytesIO()
        self.picture().convert("RGB").save(data, "JPEG", quality=92, subsampling=0)
        content = {"image/jpeg": base64.b64encode(data.getvalue()).decode(), "text/plain": "its last state"}
        show(content, raw=True, display_id=self._picture_id)

    def _ipython_display_(self, **kwargs: Any) -> None:
        text = f"{type(self).__name__}: run the notebook to use it; below is its last state."
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        display({WIDGET_VIEW: view, "text/plain": text}, raw=True)
        if in_voila():  # there is no notebook to leave a picture in
            return
        self._picture_id = self._picture_id or uuid.uuid4().hex
        self._show_picture(display)
        shell = get_ipython()
        if shell and _save_changed not in shell.events.callbacks["post_run_cell"]:
            shell.events.register("post_run_cell", _save_changed)


def joined(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures from left to right on white, in rows no wider than a page."""
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
    """The styles of all components, as one widget that all of them share."""
    if not _stylesheet or _stylesheet[0].comm is None:
        styles = files("ganfit_widgets").joinpath("style.css").read_text(encoding="utf-8")
        _stylesheet[:] = [widgets.HTML(f"<style>{styles}</style>", layout={"display": "none"})]
    return _stylesheet[0]


def button(text: str, icon: str, tooltip: str, action: Any) -> widgets.Button:
    """A button as wide as its text. `action` takes no argument."""
    made = widgets.Button(description=text, icon=icon, tooltip=tooltip, layout={"width": "auto"})
    made.on_click(lambda _: action())
    return made


def light_up(switch: widgets.Button, on: bool) -> None:
    """A button that names what it switches looks pressed while that is on."""
    (switch.add_class if on else switch.remove_class)("mod-active")


def grow(view: widgets.DOMWidget, size: int, times: float = 2.0) -> None:
    """A view at least `size` pixels wide grows with the window, up to `times` that; several share a row evenly."""
    view.layout.flex, view.layout.min_width = f"1 1 {size}px", f"{size}px"
    view.layout.max_width = f"{round(times * size)}px"


class SideBySide(widgets.HBox):
    """One view or more in one row, all of the same width: what is to be compared stays together."""

    def __init__(self, size: int) -> None:
        self._size = size
        super().__init__()
        self.add_class("ganfit-together")

    def show(self, views: Sequence[widgets.DOMWidget]) -> None:
        """These views, each at least `size` pixels wide."""
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
