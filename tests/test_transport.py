"""Scrubbing, branching, pace and speed of the generic player, without a browser."""

import asyncio
import time

import pytest
from recorder import Recorder, numbers, rest, until

from ganfit_nb import GanfitError
from ganfit_widgets import step_course


def counting(count=20, start=None):
    """Steps (number, the course they belong to); goes on after `start`."""
    first = 0 if start is None else start[0] + 1
    course = 0 if start is None else start[1] + 1
    for number in range(first, count):
        yield number, course


def test_scrubbing_shows_an_earlier_step_and_forgets_nothing():
    player = Recorder(counting)
    player.run(8)
    player.transport.scrubber.value = 4  # counted from 1
    assert player.shown == 3
    assert player.drawn[-1] == (3, 0)
    assert (player.index, len(player.steps)) == (7, 8)
    assert "steps/s" not in player.transport.status.value  # the pace belongs to the newest
    player.run(1)
    assert (player.shown, player.transport.scrubber.value, player.index) == (8, 9, 8)
    with pytest.raises(GanfitError, match="no step 9"):
        player.scrub(9)


def test_scrubbing_pauses_and_the_last_wish_counts():
    async def scenario():
        player = Recorder(numbers(), cost=0.05)
        player.play()
        await until(lambda: player.shown >= 6)
        for place in (2, 3, 4, 5):
            player.transport.scrubber.value = place
        assert not player.playing
        await rest(player)
        assert player.shown == 4
        assert len([step for step in player.drawn if step in (1, 2, 3)]) <= 2
        player.play()
        await until(lambda: player.shown > 6)
        player.close()

    asyncio.run(scenario())


def test_a_scrub_does_not_wait_for_the_step_under_way():
    def steps():
        for number, seconds in enumerate((0.2, 0.2, 0.2, 1.0, 0.0)):
            time.sleep(seconds)
            yield number

    async def scenario():
        player = Recorder(steps())
        player.play()
        await until(lambda: player.shown == 2)
        await asyncio.sleep(0.1)
        start = time.monotonic()
        player.scrub(0)
        await until(lambda: player.shown == 0)
        assert time.monotonic() - start < 0.5
        await rest(player)
        assert (player.index, player.shown, player.drawn[-1]) == (3, 0, 0)  # that step leads nobody on
        await player.finish()
        assert player.drawn[-1] == 4

    asyncio.run(scenario())


def test_the_scrubber_stays_in_the_readers_hand():
    async def scenario():
        player = Recorder(counting, cost=0.05)
        await player.finish()
        await rest(player)
        places = []
        player.transport.scrubber.observe(lambda change: places.append(change["new"]), "value")
        for place in (11, 12, 13):
            player.transport.scrubber.value = place
            await asyncio.sleep(0.03)  # the pictures lag behind
        player.transport.scrubber.value = 11  # and back to the one that is shown, or soon will be
        await rest(player)
        assert places == [11, 12, 13, 11]
        assert player.shown == 10

    asyncio.run(scenario())


def test_a_branch_goes_on_from_the_shown_step():
    player = Recorder(counting)
    assert player.transport.branch.disabled  # there is no step yet
    player.run(8)
    player.scrub(3)
    assert not player.transport.branch.disabled
    player.branch()
    assert (player.index, player.shown, player.transport.scrubber.max) == (3, 3, 4)
    player.run(2)
    assert player.steps == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 1), (5, 1)]


def test_a_program_may_scrub_and_branch_in_one_go():
    async def scenario():
        player = Recorder(counting)
        await player.finish()
        player.scrub(3)
        player.branch()
        await player.finish()
        assert player.steps[3:5] == [(3, 0), (4, 1)]

    asyncio.run(scenario())


def test_the_branch_button_plays():
    async def scenario():
        player = Recorder(counting)
        await player.finish()
        player.transport.scrubber.value = 11
        await rest(player)
        player.transport.branch.click()
        await until(lambda: player.finished)
        assert player.steps[10:12] == [(10, 0), (11, 1)]
        assert player.steps[-1] == (19, 1)

    asyncio.run(scenario())


def test_what_cannot_branch_says_so():
    player = Recorder(numbers(3))
    player.run()
    assert player.transport.branch not in player.transport.children[1].children
    with pytest.raises(GanfitError, match="start=step"):
        player.branch()
    with pytest.raises(GanfitError, match="take one first"):
        Recorder(counting).branch()


def test_speed_holds_the_steps_back_but_not_the_buttons():
    async def scenario():
        player = Recorder(numbers(seconds=0.0))
        player.speed = 20.0
        player.play()
        await asyncio.sleep(0.5)
        player.pause()
        await rest(player)
        assert 5 <= player.index + 1 <= 12
        taken = player.index
        player.speed = 0.1
        player.step()
        player.step()
        await rest(player)
        assert player.index == taken + 2  # asked for one by one, they come at once
        player.transport.speed.value = 0.0
        assert player.speed == 0

    asyncio.run(scenario())


def test_pace_and_time_left():
    class Counted(Recorder):
        def remaining(self, steps):
            return 40 - len(steps)

    player = Counted(numbers(40, 0.01))
    player.run(20)
    words = player.transport.status.value.split(" · ")
    assert 40 < float(words[1].split()[0]) <= 100
    assert words[2] == "0 s left"


def test_the_time_left_counts_steps_by_their_effort(monkeypatch):
    seconds, clock = [1.0] * 10 + [5.0] * 20, [0.0]
    monkeypatch.setattr(step_course, "monotonic", lambda: clock[0])

    def steps():
        for number, each in enumerate(seconds):
            clock[0] += each
            yield number

    class Staged(Recorder):
        def remaining(self, steps):
            return 30 - len(steps) if len(steps) > 10 else None

        def effort(self, step):
            return 2 * seconds[step]

        def effort_left(self, steps):
            return 2 * sum(seconds[len(steps) :])

    player = Staged(steps())
    for count, left in ((4, "about 106 s left"), (8, "90 s left"), (4, "70 s left")):  # also where the efforts mix
        player.run(count)
        assert player.transport.status.value.endswith(f" · {left}")
    player.run()
    assert player.transport.status.value == "step 30 of 30 · 0.2 steps/s"


def test_while_playing_the_scrubber_moves_with_the_pictures():
    async def scenario():
        player = Recorder(numbers(400, 0.0))
        seen = []
        player.transport.scrubber.observe(lambda change: seen.append(change["new"]), "max")
        await player.finish()
        assert len(seen) <= len(player.drawn) + 1
        assert player.transport.scrubber.max == 400

    asyncio.run(scenario())


def test_play_at_the_end_does_nothing():
    player = Recorder(numbers(1, 0.0))
    player.run()
    player.playing = True
    assert not player.playing
