"""Derivatives of picture and losses as components, without a browser."""

import numpy as np
import pytest
import torch

from ganfit_nb import FaceModel, GanfitError, Photo
from ganfit_nb.assets import asset_path
from ganfit_nb.fitting.sensitivity import along, picture_derivative
from ganfit_nb.parameters import meaning
from ganfit_nb.renderer.camera import orbit_camera
from ganfit_widgets import GradientExplorer, VertexGradients

SIZE = 64
MODEL = FaceModel.default("pca").seen_at(SIZE)
FACE = MODEL.mean_parameters().replace(camera=orbit_camera(0.4, 0.1))


@pytest.fixture(scope="module")
def shared():
    return GradientExplorer(MODEL, FACE, size=SIZE)


@pytest.fixture
def explorer(shared):
    shared.group, shared.index, shared.step, shared.antialias, shared.close_up = "camera", 6, 0.03, True, False
    return shared


def shown(view):
    return np.asarray(view._shown).astype(int)


def difference(explorer):
    """How far the last picture is from white: 0 where derivative and measurement agree."""
    return np.abs(shown(explorer._views[3]) - explorer._scale.colours(511)[255].astype(int)).mean()


def test_red_is_where_a_pixel_grows_lighter(explorer):
    explorer.group, explorer.index = "light", 3
    derivative = picture_derivative(MODEL, FACE, along(FACE, "light", 3), SIZE).mean(-1)
    lit = (derivative > 0.5 * derivative.max()).numpy()
    picture = shown(explorer._views[1])
    scale = picture.shape[0] / SIZE
    places = ((np.argwhere(lit) + 0.5) * scale).astype(int)
    red, _, blue = picture[places[:, 0], places[:, 1]].T
    assert (red > blue).all()
    assert difference(explorer) < 1


def test_without_antialiasing_the_outline_is_missed(explorer):
    """A longer focal length enlarges the head, which covers more of the lighter background: all get darker. Inside the
    outline alone the derivative has even the wrong sign."""
    explorer.step = 10.0
    told, measured = explorer.sums
    assert told == pytest.approx(measured, rel=0.1)
    assert "mod-active" in explorer._smooth._dom_classes  # it names what is on
    explorer._smooth.click()
    assert not explorer.antialias
    assert "mod-active" not in explorer._smooth._dom_classes
    told, measured = explorer.sums
    assert measured < 0 < told


def test_the_slider_follows_the_group(explorer):
    explorer.index = 5
    explorer.group = "identity"
    assert (explorer._number.min, explorer._number.max) == (1, 158)  # readers count from 1
    assert (explorer._number.value, explorer.index) == (6, 5)
    explorer._number.value = 158
    assert explorer.index == 157
    explorer.group = "light"
    assert (explorer._number.max, explorer.index) == (9, 8)
    assert "ambient blue" in explorer._meaning.value


def test_close_up_shows_a_piece_of_the_outline(explorer):
    explorer._closer.click()
    colours = {tuple(c) for c in shown(explorer._views[0]).reshape(-1, 3)}
    assert (128, 128, 128) in colours  # the background
    assert 20 < len(colours) <= 400  # 20 x 20 pixels
    explorer._closer.click()
    assert not explorer.close_up


def test_what_is_not_there_is_refused(explorer):
    for name, value in (("group", "hair"), ("index", 7), ("step", 0.5)):
        with pytest.raises(GanfitError):
            setattr(explorer, name, value)
    assert (explorer.group, explorer.index) == ("camera", 6)


def test_the_sum_is_told_and_the_picture_has_a_bar(explorer):
    total = float(picture_derivative(MODEL, FACE, along(FACE, "camera", 6), SIZE).mean(-1).sum())
    assert f"{total:.3g} by derivative" in explorer._line.value
    picture = np.asarray(explorer.picture())
    assert picture.shape[1] > 700
    assert (picture[3, 2] == explorer._scale.colours(392)[2]).all()


def test_numbers_have_meanings():
    assert meaning("camera", 2) == ("eye z", "mm")
    assert meaning("light", 8) == ("ambient blue", "full light")
    assert meaning("identity", 0) == ("identity coefficient 1", "standard deviation")


@pytest.fixture(scope="module")
def vertices():
    return VertexGradients(MODEL, MODEL.mean_parameters(), Photo.open(asset_path("astronaut.png")), size=SIZE)


def test_patches_are_measured_step_by_step(vertices):
    vertices.term = "landmark"
    first, second, third = vertices._meshes
    face = MODEL.morphable.face_region
    assert torch.equal(first.values.isfinite(), face)
    assert third.values is None
    vertices.run(2)
    known = third.values.isfinite()
    assert 0 < known.sum() < face.sum()
    vertices.run()
    assert torch.equal(third.values.isfinite(), face)
    assert torch.cosine_similarity(third.values[face], second.values[face], dim=0) > 0.95
    assert "24 of 24" in vertices.transport.status.value


def test_another_term_begins_anew(vertices):
    vertices.term = "landmark"
    vertices.run(1)
    told = vertices.told
    vertices.term = "pixel"
    assert vertices.index == -1
    assert vertices._meshes[2].values is None
    assert not torch.equal(told, vertices.told)
    with pytest.raises(GanfitError, match="term"):
        vertices.term = "hair"


def test_with_a_photo_the_explorer_shows_both():
    explorer = GradientExplorer(MODEL, photo=Photo.open(asset_path("astronaut.png")), size=SIZE)
    assert explorer.vertices in explorer.children
    assert explorer.picture().height > 400
