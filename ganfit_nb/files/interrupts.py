"""Makes Ctrl-C a request to stop.

The work under way is finished first, so that nothing is lost or half-written.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_noted() -> Iterator[Callable[[], bool]]:
    """Within the block Ctrl-C raises no KeyboardInterrupt. The yielded function says whether it was pressed.

    Only the main thread receives signals, so in any other thread the block changes nothing.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return
    former = signal.signal(signal.SIGINT, lambda number, frame: pressed.set())
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, former)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Delays Ctrl-C until the end of the block. Then the handler from before the block gets it."""
    with interrupts_noted() as pressed:
        yield
    if pressed():
        signal.raise_signal(signal.SIGINT)
