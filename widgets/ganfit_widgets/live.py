"""Runs work that a notebook waits for, but a Voila page does not."""

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
_behind: set[asyncio.Task[None]] = set()  # keeps tasks alive; a task without a reference may be deleted


def in_voila() -> bool:
    """Whether this kernel runs a page of Voila, which appears when its last cell has ended and is never saved."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila")


async def live(work: Work, then: Then | None = None) -> None:
    """Waits for `work`, such as `player.finish()`, then calls `then` to show the result. Buttons work during this time.

    Voila shows its page only when the last cell has ended. So in Voila this returns at once, and the work continues
    behind the page. When it is done, the output of `then` appears in its place, or the error when one of them fails.
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
        with capture_output() as shown:  # catches the output of `then` alone, because `then` does not await
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
    """The data of an output with pictures as base64 text, as notebooks store them."""
    return {kind: b64encode(value).decode() if isinstance(value, bytes) else value for kind, value in data.items()}
