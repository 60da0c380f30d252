"""A kernel that hears widgets while it is busy says that it is idle after each of their messages."""

import asyncio
from types import SimpleNamespace

import pytest

from ganfit_widgets import awaited_cells


class Kernel:
    """Hears messages as ipykernel 7.4 does: when busy, without the word that the browser waits for."""

    def __init__(self):
        self.heard = []

    async def dispatch_shell(self, message, /, subshell_id=None, *, concurrent=False):
        self.heard.append(message)
        if not concurrent:
            self._publish_status("idle", "shell")

    def _publish_status(self, status, channel):
        self.heard.append(status)


class OlderKernel(Kernel):
    async def dispatch_shell(self, message):
        self.heard.append(message)


def running(monkeypatch, kernel):
    monkeypatch.setattr(awaited_cells, "get_ipython", lambda: kernel and SimpleNamespace(kernel=kernel))
    for _ in range(2):  # every component asks for it
        awaited_cells.answer_widgets()
    return kernel


def test_a_busy_kernel_answers_each_message_once(monkeypatch):
    kernel = running(monkeypatch, Kernel())
    asyncio.run(kernel.dispatch_shell("slider 1", None, concurrent=True))
    asyncio.run(kernel.dispatch_shell("slider 2", None, concurrent=True))
    assert kernel.heard == ["slider 1", "idle", "busy", "slider 2", "idle", "busy"]


def test_an_idle_kernel_needs_no_help(monkeypatch):
    kernel = running(monkeypatch, Kernel())
    asyncio.run(kernel.dispatch_shell("slider"))
    assert kernel.heard == ["slider", "idle"]


@pytest.mark.parametrize("kernel", [OlderKernel(), object(), None])
def test_other_kernels_and_scripts_are_left_alone(monkeypatch, kernel):
    running(monkeypatch, kernel)
    assert not hasattr(getattr(kernel, "dispatch_shell", None), "answers")
