"""Makes sliders work while a cell awaits something, such as `await player.finish()`.

A browser sends a new value of a widget, and then waits until the kernel reports "idle" before it sends the next value.
ipykernel 7.4 receives messages of widgets while a cell awaits, but does not report "idle" after them. So only the first
change of each widget arrives; all others wait for the end of the cell. This module makes the kernel report "idle" after
each message.
"""

from __future__ import annotations

import inspect
from typing import Any

from IPython import get_ipython


def answer_widgets() -> None:
    """Makes the running kernel report "idle" after each message that it handles while a cell awaits.

    Other kinds of kernels are left as they are. A second call has no effect.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    dispatch = getattr(kernel, "dispatch_shell", None)
    if kernel is None or dispatch is None or hasattr(dispatch, "answers"):
        return
    if "concurrent" not in inspect.signature(dispatch).parameters:
        return

    async def dispatch_and_answer(message: Any, /, subshell_id: str | None = None, *, concurrent: bool = False) -> None:
        await dispatch(message, subshell_id, concurrent=concurrent)
        if concurrent:
            kernel._publish_status("idle", "shell")  # answers the message that was just handled
            kernel._publish_status("busy", "shell")  # the cell is still running, and JupyterLab shows this

    dispatch_and_answer.answers = True  # type: ignore[attr-defined]
    kernel.dispatch_shell = dispatch_and_answer
