"""A step player that notes what it shows, generators for it, and ways to wait."""

import asyncio
import threading
import time

from ganfit_widgets import StepPlayer


class Recorder(StepPlayer):
    """A player that notes what it was asked to show, and from which thread."""

    def __init__(self, steps, cost=0.0):
        self.drawn, self.threads, self.cost = [], set(), cost
        super().__init__(steps)

    def prepare(self, steps):
        self.threads.add(threading.current_thread().name)
        time.sleep(self.cost)
        return super().prepare(steps)

    def draw(self, content):
        self.drawn.append(content)


def numbers(count=100_000, seconds=0.005):
    for number in range(count):
        time.sleep(seconds)
        yield number


def failing(error):
    yield 0
    raise error


async def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.005)


async def rest(player):
    """Waits until the player has nothing left to do."""
    await asyncio.sleep(0.02)  # what a click asks for is begun in the next turn of the loop
    await until(lambda: player._task is None or player._task.done())
