"""An ICP as a component, without a browser."""

import re

import numpy as np
import pytest
import torch

pytest.importorskip("scipy")

from meshes import egg
from scipy.spatial.transform import Rotation

from ganfit_nb.geometry.icp import STEPS
from ganfit_nb.geometry.similarity import Similarity
from ganfit_nb.geometry.surface import Surface
from ganfit_widgets import IcpPlayer


@pytest.fixture
def player():
    vertices, faces, _ = egg(2)
    bent = vertices.numpy().astype(np.float64)
    bent[:, 2] += 8 * np.cos(bent[:, 0] / 20)  # so that turning it makes a difference
    target = Surface(bent + np.array([500.0, 0.0, 0.0]), faces.numpy())
    turned = Similarity(1.0, Rotation.from_euler("y", 8, degrees=True).as_matrix(), np.array([495.0, 6.0, 0.0]))
    return IcpPlayer(Surface(bent, faces.numpy()), target, turned)


def test_it_arrives_and_shows_the_distances(player):
    count = len(player.source.vertices)
    start = player.both.vertices.clone()
    assert start.abs().max() < 200  # in sight, wherever the scan lies
    player.run()
    assert player.steps[-1].rms < 0.3 * player.steps[0].rms
    assert player.finished
    shown = player.both.vertices
    assert torch.equal(shown[count:], start[count:])  # the target stands still
    moved = torch.from_numpy(player.steps[-1].vertices - player.target.vertices.mean(0)).float()
    torch.testing.assert_close(shown[:count], moved)
    assert torch.equal(player.mesh.vertices, shown[:count])
    assert player.both.values[count:].isnan().all()
    known = player.mesh.values.isfinite()
    assert (known.numpy() == player.steps[-1].used).all()
    residual = torch.from_numpy(player.steps[-1].residual).float()
    torch.testing.assert_close(player.mesh.values[known], residual[known])
    assert f"rms {player.steps[-1].rms:.3f} mm" in player.transport.status.value
    assert "turned" in player._transform.value


def test_it_tells_how_many_turns_are_left(player):
    player.run(1)
    assert player.effort_left(player.steps) == STEPS  # nothing is known yet
    assert re.search(r" · about \d+ s left$", player.transport.status.value)
    player.run()
    turns = len(player.steps)
    for taken in (turns // 3, turns // 2, turns - 2):
        told = player.effort_left(player.steps[:taken])
        assert 0.4 * (turns - taken) - 2 < told < 2.5 * (turns - taken) + 2, (taken, turns)
    assert "left" not in player.transport.status.value


def test_settings_begin_anew_or_branch(player):
    player.run(6)
    slow = player.steps[5].rms
    player.planes = True
    assert player.index == 5  # what has been taken stays
    player.scrub(2)
    player.branch()
    player.run(3)
    assert [step.index for step in player.steps] == list(range(6))
    assert player.steps[5].rms < slow
    player.restart()
    player.scaled = True
    player.run(2)
    assert player.steps[1].transform.scale != 1.0


def test_restart_shows_the_start(player):
    start, size = player.mesh.vertices.clone(), player.picture().size
    player.run(3)
    assert player.picture().size == size
    assert not torch.equal(player.mesh.vertices, start)
    player.restart()
    assert torch.equal(player.mesh.vertices, start)
    assert player.mesh.values is None
    assert player.picture().width > 600
