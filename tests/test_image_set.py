"""Several photos of one person (Eq. 13), at a small size."""

import pytest
import torch
from test_fitting import assert_equal_steps

from ganfit_nb import FaceModel, FitConfig, GanfitError, LossWeights, Photo, fit
from ganfit_nb.assets import asset_path
from ganfit_nb.evaluation.known_face import known_face, picture_of
from ganfit_nb.fitting.free_groups import FreeGroups
from ganfit_nb.fitting.second_view import second_view
from ganfit_nb.fitting.stages import fit_set

CONFIG = FitConfig(steps=3, size=96)


@pytest.fixture(scope="module")
def model():
    return FaceModel.default()


@pytest.fixture(scope="module")
def photos(model):
    person = known_face(model, 7, 7)
    views = [person, second_view(person, 7, 1)]
    return [Photo.from_image(picture_of(model, view, 384)) for view in views]


@pytest.fixture(scope="module")
def steps(photos, model):
    return list(fit_set(photos, model, CONFIG))


def assert_equal_sets(a, b):
    for one, other in zip(a.steps, b.steps, strict=True):
        assert_equal_steps(one, other)


def test_shape_and_texture_are_shared_and_the_rest_is_not(steps):
    stages = [step.stage for step in steps]
    assert list(dict.fromkeys(stages)) == ["align", "consistency", "joint"]
    assert stages[-5:] == ["consistency", *["joint"] * 4]
    for step in steps:
        one, other = (photo.parameters for photo in step.steps)
        assert torch.equal(one.identity, other.identity)
        assert torch.equal(one.texture, other.texture)
    for group in ("expression", "camera", "light"):
        assert not torch.equal(getattr(one, group), getattr(other, group))


def test_of_one_photo_it_is_the_single_fit(model):
    photo = Photo.open(asset_path("astronaut.png"))
    for step, single in zip(fit_set([photo], model, CONFIG), fit(photo, model, CONFIG), strict=True):
        assert_equal_steps(step.steps[0], single)
        assert step.total == single.total


@pytest.mark.parametrize("at", [2, -7, -5, -3])  # in the middle of each stage, and at the end of one
def test_a_resumed_fit_is_the_straight_fit(photos, model, steps, at):
    rest = steps[at + 1 :]
    for a, b in zip(rest, fit_set(photos, model, CONFIG, start=steps[at]), strict=True):
        assert_equal_sets(a, b)


def test_a_branch_with_other_weights_and_a_frozen_group(photos, model, steps):
    options = {"start": steps[-3], "free": FreeGroups(identity=False)}
    branch = list(fit_set(photos, model, CONFIG, LossWeights(pixel=0.0), **options))
    assert "pixel" not in branch[-1].steps[0].losses
    assert torch.equal(branch[-1].steps[1].parameters.identity, branch[0].steps[0].parameters.identity)
    assert not torch.equal(branch[-1].steps[0].parameters.texture, steps[-1].steps[0].parameters.texture)


def test_a_set_of_none_or_of_another_number_is_refused(photos, model, steps):
    with pytest.raises(GanfitError):
        next(fit_set([], model, CONFIG))
    with pytest.raises(GanfitError):
        next(fit_set(photos[:1], model, CONFIG, start=steps[0]))
