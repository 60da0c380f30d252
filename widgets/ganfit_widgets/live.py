"""Work that a notebook waits for, and a Voila page does not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine

_behind: set[asyncio.Task[None]] = set()  # a task that nobody holds may vanish


async def live(work: Coroutine[None, None, None]) -> None:
    """Waits for `work`, such as `player.finish()`; buttons answer meanwhile.

    Voila shows its page when the last cell has ended. There the work goes on behind the page, for all to see.
    """
    if not os.environ.get("SERVER_SOFTWARE", "").startswith("voila"):
        await work
        return
    task = asyncio.get_running_loop().create_task(work)
    _behind.add(task)
    task.add_done_callback(_behind.discard)
