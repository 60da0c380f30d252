"""Sliders that answer while a cell awaits something, such as `await player.finish()`.

A browser sends the next value of a widget when the kernel has said that it is idle after the last one. ipykernel 7.4
hears widgets while it is busy with a cell that awaits, but leaves out that word: the first change of each widget
arrives, every later one waits for the end of the cell. Here the word is said.
"""

from __future__ import annotations

import inspect
from typing import Any

from IPython import get_ipython


def answer_widgets() -> None:
    """Makes the running kernel, if it is of that kind, answer what it hears while it is busy; once is enough."""
    kernel = getattr(get_ipython(), "kernel", None)
    dispatch = getattr(kernel, "dispatch_shell", None)
    if kernel is None or dispatch is None or hasattr(dispatch, "answers"):
        return
    if "concurrent" not in inspect.signature(dispatch).parameters:
        return

    async def dispatch_and_answer(message: Any, /, subshell_id: str | None = None, *, concurrent: bool = False) -> None:
        await dispatch(message, subshell_id, concurrent=concurrent)
        if concurrent:
            kernel._publish_status("idle", "shell")  # to the message just handled
            kernel._publish_status("busy", "shell")  # for the cell goes on, as JupyterLab shows

    dispatch_and_answer.answers = True  # type: ignore[attr-defined]
    kernel.dispatch_shell = dispatch_and_answer
