"""The player of an image set without a browser, on a real, small fit."""

import re

import numpy as np
import pytest
import torch

from ganfit_nb import FaceModel, FitConfig, LossWeights, Photo
from ganfit_nb.assets import asset_path
from ganfit_widgets import SetPlayer

CONFIG = FitConfig(steps=2, size=64)


@pytest.fixture(scope="module")
def player():
    photo = Photo.open(asset_path("astronaut.png")).at(CONFIG.size)
    return SetPlayer([photo, photo], FaceModel.default(), CONFIG)


def test_it_shows_the_person_and_every_photos_own_fit(player):
    before = np.asarray(player._fitted[0]._shown).copy()
    player.run(2)
    assert re.search(r"align</b> step 2 · .* · about \d+ s left$", player.transport.status.value)
    player.run()
    assert "2" in player._fitted[1].caption
    assert player.steps[-1].stage == "joint"
    person = player.model.vertices(player.steps[-1].shared(player.model))
    torch.testing.assert_close(player.mesh.vertices, person)
    assert (np.asarray(player._fitted[0]._shown) != before).any()
    assert "photo 2" in player._chart._view.value
    assert player.picture().width > 500


def test_restart_shows_the_mean_face_under_the_first_weights(player):
    player.run(2)
    player.weights.pixel = 0.0
    player.restart()
    assert player.weights == LossWeights()
    assert torch.equal(player.mesh.vertices, player.model.morphable.mean)


def test_a_branch_goes_on_from_a_step_of_all_photos(player):
    player.restart()
    player.run(3)
    player.scrub(1)
    player.branch()
    player.run(1)
    assert len(player.steps) == 3
    assert player.names == ("course 1", "course 2")
