"""The generic player without a browser: traits, callbacks, throttle, errors."""

import asyncio
import time

import pytest
from recorder import Recorder, failing, numbers, rest, until

from ganfit_nb import GanfitError
from ganfit_widgets import StepPlayer, step_course


def test_pause_stops_the_counter_and_play_goes_on():
    async def scenario():
        player = Recorder(numbers())
        player.transport.play.click()
        await until(lambda: player.index >= 5)
        assert player.playing
        player.transport.pause.click()
        assert not player.playing
        await rest(player)
        paused = player.index
        await asyncio.sleep(0.1)
        assert player.index == paused
        assert player.drawn[-1] == paused  # the step paused at is the one on the screen
        player.transport.play.click()
        await until(lambda: player.index > paused)
        player.close()
        await rest(player)

    asyncio.run(scenario())


def test_step_adds_one_each_time():
    async def scenario():
        player = Recorder(numbers())
        for expected in range(3):
            player.transport.step.click()
            await rest(player)
            assert player.steps == list(range(expected + 1))
            assert player.drawn[-1] == expected
            assert player.transport.status.value.startswith(f"step {expected + 1} · ")
        player.transport.step.click()
        player.transport.step.click()
        await rest(player)
        assert player.index == 4

    asyncio.run(scenario())


def test_the_event_loop_stays_free_while_a_step_takes_long():
    async def scenario():
        player = Recorder(numbers(seconds=0.5))
        player.play()
        await asyncio.sleep(0.1)
        start = time.monotonic()
        await asyncio.sleep(0.01)
        player.transport.pause.click()
        assert time.monotonic() - start < 0.25
        await rest(player)
        assert player.index == 0

    asyncio.run(scenario())


def test_pictures_are_throttled_and_never_pile_up():
    player = Recorder(numbers(200, 0.001), cost=0.02)
    start = time.monotonic()
    player.run()
    seconds = time.monotonic() - start
    assert player.steps == list(range(200))
    assert 2 <= len(player.drawn) <= seconds / step_course.SHOW_EVERY + 2
    assert player.drawn == sorted(set(player.drawn))
    assert player.drawn[-1] == 199
    assert player.threads == {"ganfit-player_0"}


def test_run_takes_so_many_steps_and_needs_no_event_loop():
    player = Recorder(numbers(7))
    player.run(3)
    assert (player.index, player.finished, player.drawn[-1]) == (2, False, 2)
    player.run()
    assert (player.index, player.finished, player.drawn[-1]) == (6, True, 6)
    assert player.transport.play.disabled
    assert player.transport.step.disabled
    with pytest.raises(GanfitError, match="event loop"):
        Recorder(numbers()).play()


def test_run_while_playing_keeps_the_order():
    async def scenario():
        player = Recorder(numbers(40))
        player.play()
        await until(lambda: player.index >= 2)
        player.run(10)
        assert not player.playing
        taken = player.index
        await asyncio.sleep(0.1)
        assert player.index == taken
        await player.finish()
        assert player.steps == list(range(40))
        assert player.drawn == sorted(set(player.drawn))

    asyncio.run(scenario())


def test_finish_waits_through_a_pause():
    async def scenario():
        player = Recorder(numbers(30))
        finish = asyncio.ensure_future(player.finish())
        await until(lambda: player.index >= 3)
        player.pause()
        await asyncio.sleep(0.1)
        assert not finish.done()
        player.play()
        await finish
        assert player.finished
        assert player.index == 29

    asyncio.run(scenario())


def test_changes_can_be_observed():
    seen = []
    player = Recorder(numbers(3))
    player.observe(lambda change: seen.append(change["new"]), "index")
    player.run()
    assert seen == [0, 1, 2]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (GanfitError("Give another photo."), "Give another photo."),
        (ValueError("a <b>\nc"), "The steps ended with an error: ValueError: a <b> c"),
    ],
)
def test_an_error_is_shown_as_one_sentence(error, sentence):
    async def scenario():
        player = Recorder(failing(error))
        player.play()
        await until(lambda: player.finished)
        return player

    player = asyncio.run(scenario())
    assert player.error == sentence
    assert (player.playing, player.index, player.drawn) == (False, 0, [0])  # the step before it stays in sight
    assert "ganfit-error" in player.transport._message.value
    assert "<b>" not in player.transport._message.value
    with pytest.raises(type(error)):
        player.run()


def test_an_error_in_drawing_is_shown_too(caplog):
    class Broken(StepPlayer):
        def prepare(self, steps):
            raise ValueError("no picture")

    async def scenario():
        player = Broken(numbers())
        player.play()
        await until(lambda: player.finished)
        await rest(player)
        return player.error

    assert "no picture" in asyncio.run(scenario())
    assert not caplog.records


def test_restart_begins_anew_even_while_playing():
    async def scenario():
        player = Recorder(numbers)
        player.play()
        await until(lambda: player.index >= 3)
        player.transport.restart.click()
        assert (player.playing, player.index, player.steps) == (False, -1, [])
        player.play()
        await until(lambda: player.index >= 2)
        player.pause()
        await rest(player)
        assert player.steps == list(range(player.index + 1))

    asyncio.run(scenario())
    with pytest.raises(GanfitError, match="cannot begin again"):
        Recorder(numbers()).restart()


def test_after_close_nothing_goes_on():
    taken = []

    def counting():
        for number in numbers():
            taken.append(number)
            yield number

    async def scenario():
        player = Recorder(counting())
        player.play()
        await until(lambda: len(taken) > 3)
        player.close()
        await rest(player)
        await asyncio.wait_for(player.finish(), 1)
        count = len(taken)
        await asyncio.sleep(0.1)
        assert len(taken) == count

    asyncio.run(scenario())
