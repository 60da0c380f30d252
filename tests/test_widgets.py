"""The notebook components without a browser: traits, callbacks, throttle, errors."""

import asyncio
import re
import threading
import time
from functools import partial

import pytest
import torch

from ganfit_nb import FaceModel, FitConfig, GanfitError, Photo, fit
from ganfit_nb.assets import asset_path
from ganfit_widgets import FitPlayer, LossChart, StepPlayer, step_player
from ganfit_widgets.loss_chart import HEIGHT, TOP


class Recorder(StepPlayer):
    """A player that notes what it was asked to show, and from which thread."""

    def __init__(self, steps, cost=0.0):
        self.shown, self.threads, self.cost = [], set(), cost
        super().__init__(steps)

    def prepare(self, steps):
        self.threads.add(threading.current_thread().name)
        time.sleep(self.cost)
        return super().prepare(steps)

    def draw(self, content):
        self.shown.append(content)


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
        player._play.click()
        await until(lambda: player.index >= 5)
        assert player.playing
        player._pause.click()
        assert not player.playing
        await rest(player)
        paused = player.index
        await asyncio.sleep(0.1)
        assert player.index == paused
        assert player.shown[-1] == paused  # the step paused at is the one on the screen
        player._play.click()
        await until(lambda: player.index > paused)
        player.close()
        await rest(player)

    asyncio.run(scenario())


def test_step_adds_one_each_time():
    async def scenario():
        player = Recorder(numbers())
        for expected in range(3):
            player._step.click()
            await rest(player)
            assert player.steps == list(range(expected + 1))
            assert player.shown[-1] == expected
            assert player._status.value == f"step {expected}"
        player._step.click()
        player._step.click()
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
        player._pause.click()
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
    assert 2 <= len(player.shown) <= seconds / step_player.SHOW_EVERY + 2
    assert player.shown == sorted(set(player.shown))
    assert player.shown[-1] == 199
    assert player.threads == {"ganfit-player_0"}


def test_run_takes_so_many_steps_and_needs_no_event_loop():
    player = Recorder(numbers(7))
    player.run(3)
    assert (player.index, player.finished, player.shown[-1]) == (2, False, 2)
    player.run()
    assert (player.index, player.finished, player.shown[-1]) == (6, True, 6)
    assert player._play.disabled
    assert player._step.disabled
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
        assert player.shown == sorted(set(player.shown))

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
    assert (player.playing, player.index, player.shown) == (False, 0, [0])  # the step before it stays in sight
    assert player._message.layout.display != "none"
    assert "<b>" not in player._message.value
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
        player._restart.click()
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


def heights(svg):
    return [[float(pair.split(",")[1]) for pair in points.split()] for points in re.findall('points="(.*?)"', svg)]


def test_loss_chart_is_logarithmic():
    chart = LossChart()
    chart.show([{"pixel": 1.0}, {"pixel": 0.1}, {"pixel": 0.01}], ["joint"] * 3)
    (curve,) = heights(chart.value)
    assert curve[0] == TOP
    assert curve[1] - curve[0] == pytest.approx(curve[2] - curve[1])


def test_loss_chart_leaves_out_what_is_missing_or_zero():
    chart = LossChart()
    chart.show([{"a": 1.0, "b": 0.0}, {"a": 1e-30, "b": 0.5}, {"b": float("inf")}], ["align", "joint", "joint"])
    assert [len(curve) for curve in heights(chart.value)] == [1, 1]
    assert ">joint<" in chart.value
    chart.show([{}])
    chart.show([])
    assert "no step yet" in chart.value
    assert all(0 <= y <= HEIGHT for curve in heights(chart.value) for y in curve)


@pytest.fixture(scope="module")
def player():
    config = FitConfig(steps=3, size=96)
    photo, model = Photo.open(asset_path("astronaut.png")).at(config.size), FaceModel.default()
    return FitPlayer(partial(fit, photo, model, config), model, photo)


def test_fit_player_shows_a_real_fit(player):
    mean, picture = player.mesh._vertices, player.overlay.value
    player.run()
    assert player.steps[-1].stage == "joint"
    assert player.steps[-1].index == 3
    assert abs(player.mesh._vertices - mean).max() > 1  # mm
    assert player.overlay.value != picture
    assert len(heights(player.chart.value)) == len(player.steps[-1].losses)
    assert "joint</b> step 3" in player._status.value
    assert player.picture().height == 96


def test_fit_player_restarts_at_the_mean_face(player):
    player.restart()
    assert torch.equal(player.mesh._vertices, player._mean[0])
    assert "no step yet" in player.chart.value
