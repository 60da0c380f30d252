"""Work that a notebook waits for, and a Voila page does not."""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from collections.abc import Callable, Coroutine
from typing import Any

import ipywidgets as widgets
from IPython.display import display
from IPython.utils.capture import capture_output

Work = Coroutine[None, None, None]
Then = Callable[[], object]
_behind: set[asyncio.Task[None]] = set()  # a task that nobody holds may vanish


def in_voila() -> bool:
    """Whether this kernel runs a page of Voila, which nobody saves and which is there when its last cell has ended."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila")


async def live(work: Work, then: Then | None = None) -> None:
    """Waits for `work`, such as `player.finish()`, then calls `then` to show what came out; buttons answer meanwhile.

    Voila shows its page when the last cell has ended. There the work goes on behind the page, for all to see. What
    `then` prints and displays follows in its place when the work is done; so does the error when either fails.
    """
    if in_voila():
        place = widgets.Output()
        display(place)
        task = asyncio.get_running_loop().create_task(_behind_the_page(work, then, place))
        _behind.add(task)
        task.add_done_callback(_behind.discard)
        return
    await work
    if then:
        then()


async def _behind_the_page(work: Work, then: Then | None, place: widgets.Output) -> None:
    try:
        await work
        with capture_output() as shown:  # nothing else is caught, for `then` awaits nothing
            if then:
                then()
    except Exception as error:
        place.append_stderr(f"{type(error).__name__}: {error}")
        return
    if shown.stdout:
        place.append_stdout(shown.stdout)
    for output in shown.outputs:
        content = {"data": _as_text(output.data), "metadata": output.metadata}
        place.outputs += ({"output_type": "display_data", **content},)


def _as_text(data: dict[str, Any]) -> dict[str, Any]:
    """Pictures as notebooks keep them."""
    return {kind: b64encode(value).decode() if isinstance(value, bytes) else value for kind, value in data.items()}
