"""The generic player without a browser: traits, callbacks, throttle, errors."""

import asyncio
import threading
import time

import pytest

from ganfit_nb import GanfitError
from ganfit_widgets import StepPlayer, step_course


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
            assert player.transport.status.value.startswith(f"step {expected} · ")
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


def counting(count=20, start=None):
    """Steps (number, the course they belong to); goes on after `start`."""
    first = 0 if start is None else start[0] + 1
    course = 0 if start is None else start[1] + 1
    for number in range(first, count):
        yield number, course


def test_scrubbing_shows_an_earlier_step_and_forgets_nothing():
    player = Recorder(counting)
    player.run(8)
    player.transport.scrubber.value = 3
    assert player.shown == 3
    assert player.drawn[-1] == (3, 0)
    assert (player.index, len(player.steps)) == (7, 8)
    assert "steps/s" not in player.transport.status.value  # the pace belongs to the newest
    player.run(1)
    assert (player.shown, player.transport.scrubber.value, player.index) == (8, 8, 8)
    with pytest.raises(GanfitError, match="no step 9"):
        player.scrub(9)


def test_scrubbing_pauses_and_the_last_wish_counts():
    async def scenario():
        player = Recorder(numbers(), cost=0.05)
        player.play()
        await until(lambda: player.shown >= 6)
        for index in (1, 2, 3, 4):
            player.transport.scrubber.value = index
        assert not player.playing
        await rest(player)
        assert player.shown == 4
        assert len([step for step in player.drawn if step in (1, 2, 3)]) <= 2
        player.play()
        await until(lambda: player.shown > 6)
        player.close()

    asyncio.run(scenario())


def test_the_scrubber_stays_in_the_readers_hand():
    async def scenario():
        player = Recorder(counting, cost=0.05)
        await player.finish()
        await rest(player)
        places = []
        player.transport.scrubber.observe(lambda change: places.append(change["new"]), "value")
        for index in (10, 11, 12):
            player.transport.scrubber.value = index
            await asyncio.sleep(0.03)  # the pictures lag behind
        player.transport.scrubber.value = 10  # and back to the one that is shown, or soon will be
        await rest(player)
        assert places == [10, 11, 12, 10]
        assert player.shown == 10

    asyncio.run(scenario())


def test_a_branch_goes_on_from_the_shown_step():
    player = Recorder(counting)
    player.run(8)
    assert player.transport.branch.disabled  # the newest step is shown: Play does the same
    player.scrub(3)
    assert not player.transport.branch.disabled
    player.branch()
    assert (player.index, player.shown, player.transport.scrubber.max) == (3, 3, 3)
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
        player.transport.scrubber.value = 10
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


def test_while_playing_the_scrubber_moves_with_the_pictures():
    async def scenario():
        player = Recorder(numbers(400, 0.0))
        seen = []
        player.transport.scrubber.observe(lambda change: seen.append(change["new"]), "max")
        await player.finish()
        assert len(seen) <= len(player.drawn) + 1
        assert player.transport.scrubber.max == 399

    asyncio.run(scenario())


def test_play_at_the_end_does_nothing():
    player = Recorder(numbers(1, 0.0))
    player.run()
    player.playing = True
    assert not player.playing
