"""A notebook waits for its work; a Voila page does not."""

import asyncio

import pytest

from ganfit_widgets import live


@pytest.mark.parametrize(("software", "waits"), [("", True), ("voila/0.5", False)])
def test_voila_is_shown_while_the_work_goes_on(monkeypatch, software, waits):
    monkeypatch.setenv("SERVER_SOFTWARE", software)
    done = []

    async def work():
        await asyncio.sleep(0.02)
        done.append(True)

    async def scenario():
        await live(work())
        assert bool(done) == waits
        await asyncio.sleep(0.05)
        assert done == [True]

    asyncio.run(scenario())
