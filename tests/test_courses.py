"""The courses of a generic player: kept by name, switched between, renamed, deleted."""

import asyncio

import pytest
from recorder import Recorder, rest, until
from test_transport import counting

from ganfit_nb import GanfitError


class Weighted(Recorder):
    """A player whose steps depend on a setting."""

    weight = 1.0

    def settings(self):
        return self.weight

    def restore(self, settings):
        self.weight = settings


@pytest.fixture
def player():
    player = Weighted(counting)
    player.run(8)
    player.scrub(3)
    player.weight = 0.0
    player.branch()
    player.run(2)
    return player


def bar(player):
    return player.children[2]


def test_a_branch_keeps_the_course_it_leaves(player):
    assert player.names == ("course 1", "course 2")
    assert player.courses["course 1"] == [(number, 0) for number in range(8)]
    assert player.courses["course 2"] == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 1), (5, 1)]
    assert player.course == "course 2"


def test_switching_shows_the_step_last_seen_with_its_settings(player):
    bar(player).choice.value = "course 1"
    assert (player.shown, player.index, player.weight) == (3, 7, 1.0)
    assert player.drawn[-1] == (3, 0)
    player.run(1)
    assert player.steps[-1] == (8, 0)
    bar(player).choice.value = "course 2"
    assert (player.shown, player.index, player.weight) == (5, 5, 0.0)
    player.run(1)
    assert player.steps[-1] == (6, 1)


def test_courses_have_names(player):
    bar(player).name.value = "without"
    assert player.names == ("course 1", "without")
    assert player.course == bar(player).choice.value == "without"
    bar(player).name.value = "course 1"
    assert player.course == bar(player).name.value == "without"  # that name is taken
    for wrong in ("", "course 1"):
        with pytest.raises(GanfitError, match="no other has"):
            player.rename(wrong)
    with pytest.raises(GanfitError, match="no course x"):
        player.course = "x"
    player.branch("another")
    player.branch()
    assert player.names == ("course 1", "without", "another", "course 2")


def test_a_deleted_course_makes_room_for_the_one_before_it(player):
    assert not bar(player).remove.disabled
    bar(player).remove.click()
    assert (player.names, player.course, player.weight) == (("course 1",), "course 1", 1.0)
    assert player.drawn[-1] == (3, 0)
    assert bar(player).remove.disabled
    with pytest.raises(GanfitError, match="only course"):
        player.delete()


def test_restart_restores_the_settings_and_leaves_the_other_courses_alone(player):
    player.restart()
    assert (player.index, player.weight, player.course) == (-1, 1.0, "course 2")
    assert len(player.courses["course 1"]) == 8
    player.course = "course 1"
    player.course = "course 2"
    assert (player.index, player.transport.status.value) == (-1, "")


def test_steps_from_elsewhere_are_a_course_that_goes_on(player):
    player.add([(10, 5), (11, 5)], "found", settings=0.5)
    assert (player.course, player.shown, player.weight) == ("found", 1, 0.5)
    player.run(1)
    assert player.steps[-1] == (12, 6)
    with pytest.raises(GanfitError, match="cannot go on"):
        Recorder(iter(())).add([1])


def test_switching_while_it_plays_pauses_and_loses_nothing():
    async def scenario():
        player = Weighted(counting)
        await player.finish()
        player.scrub(2)
        player.branch("second")
        player.play()
        await until(lambda: player.index >= 5)
        player.course = "course 1"
        assert not player.playing
        await rest(player)
        assert (player.shown, player.index) == (2, 19)
        taken = len(player.courses["second"])
        await asyncio.sleep(0.05)
        assert len(player.courses["second"]) == taken
        player.course = "second"
        await player.finish()
        assert player.steps[-1] == (19, 1)

    asyncio.run(scenario())
