"""The morphable model by hand: traits, sliders and buttons, without a browser."""

import numpy as np
import pytest
import torch

from ganfit_nb import GanfitError
from ganfit_nb.face.morphable import MorphableModel, variance_shares
from ganfit_widgets import MorphExplorer

MODEL = MorphableModel.default()


@pytest.fixture
def explorer():
    return MorphExplorer(MODEL)


def shown(explorer):
    return torch.from_numpy(explorer.mesh.vertices.numpy())


def press(explorer, text):
    next(b for b in explorer.children[1].children if getattr(b, "description", None) == text).click()


def test_it_begins_at_the_mean(explorer):
    torch.testing.assert_close(shown(explorer), MODEL.mean)
    assert "moved 0.0 mm" in explorer._distance.value


def test_a_slider_is_a_coefficient(explorer):
    explorer._identity.children[2].value = 1.5
    assert explorer.identity[2] == 1.5
    torch.testing.assert_close(shown(explorer), MODEL.mean + 1.5 * MODEL.identity_basis[2])
    explorer._expression.children[0].value = -1.0
    expected = MODEL.mean + 1.5 * MODEL.identity_basis[2] - MODEL.expression_basis[0]
    torch.testing.assert_close(shown(explorer), expected, rtol=0, atol=1e-3)


def test_traits_move_the_sliders(explorer):
    p_s = [0.0] * 158
    p_s[0], p_s[100] = 5.0, 1.0
    explorer.identity = p_s
    explorer.actions = {"jawOpen": 0.5}
    assert explorer._identity.children[0].value == 3.0  # the slider stands at its end,
    assert explorer.identity[0] == 5.0  # the number is kept
    jaw = next(s for s in explorer._actions.children if s.description == "jaw open")
    assert jaw.value == 0.5
    explorer._identity.children[1].value = 1.0
    assert explorer.identity[:3] == (5.0, 1.0, 0.0)
    assert explorer.identity[100] == 1.0  # modes without a slider stay
    assert explorer.actions == {"jawOpen": 0.5}


def test_actions_by_slider_and_name(explorer):
    jaw = next(s for s in explorer._actions.children if s.description == "jaw open")
    jaw.value = 1.0
    assert explorer.actions == {"jawOpen": 1.0}
    expected = MODEL.vertices(torch.zeros(158), MODEL.expression({"jawOpen": 1.0}))
    torch.testing.assert_close(shown(explorer), expected)
    assert len(explorer._actions.children) == 51  # all but the tongue
    with pytest.raises(GanfitError, match="eyesShut"):
        explorer.actions = {"eyesShut": 1.0}
    with pytest.raises(GanfitError, match="158"):
        explorer.identity = (0.0, 1.0)
    assert explorer.actions == {"jawOpen": 1.0}


def test_random_people_are_seeded_and_reset_undoes_them(explorer):
    press(explorer, "Random person")
    first = explorer.identity
    press(explorer, "Random person")
    assert explorer.seed == 1
    assert explorer.identity != first
    assert 0.8 < np.std(explorer.identity) < 1.2
    press(explorer, "Reset")
    torch.testing.assert_close(shown(explorer), MODEL.mean)
    press(explorer, "Random person")
    assert explorer.identity == first


def test_the_heat_map_is_the_distance_from_the_mean(explorer):
    explorer.actions = {"jawOpen": 1.0}
    press(explorer, "Distance from the mean")
    assert explorer.heat_map
    distance = (explorer.vertices - MODEL.mean).norm(dim=1)
    torch.testing.assert_close(explorer.mesh.values, distance)
    assert explorer.mesh._scale.high == pytest.approx(float(distance.max()))
    explorer.actions = {}
    assert explorer.mesh._scale.high == 3.0


def test_reset_is_the_mean_face_as_it_was_at_first(explorer):
    explorer.reset()
    first = explorer.mesh.picture()
    explorer.heat_map, explorer.seed = True, 1
    explorer.mesh._canvas.camera = [300, 0, 600, 0, 0, 0, 5.0]
    press(explorer, "Reset")
    assert not explorer.heat_map
    assert explorer.mesh.values is None
    assert explorer.mesh.picture() == first


def test_the_spectrum_is_the_modes_share(explorer):
    shares = variance_shares(MODEL.identity_basis)
    assert float(shares.sum()) == pytest.approx(1.0)
    assert f"mode 1 ({100 * float(shares[0]):.0f} %)" == explorer._identity.children[0].description


def test_a_model_that_knows_no_actions_has_no_sliders_for_them():
    from dataclasses import replace

    explorer = MorphExplorer(replace(MODEL, actions=torch.zeros(0, 29)))
    assert explorer.children[2].children[1].titles == ("Identity", "Expression", "Spectrum")
    explorer.reset()
    explorer._identity.children[0].value = 1.0
    assert explorer.identity[0] == 1.0


def test_its_picture_shows_the_face(explorer):
    before = np.asarray(explorer.picture())
    explorer.actions = {"jawOpen": 1.0}
    assert np.abs(np.asarray(explorer.picture()).astype(int) - before).mean() > 0.5
    explorer.heat_map = True
    assert np.asarray(explorer.picture()).shape == before.shape  # a saved output keeps its size
