"""Photos of one person must show the same skin: what that tells of the shape, and what it does not."""

from functools import partial

import pytest
import torch

from ganfit_nb import FaceModel, FitConfig, Photo
from ganfit_nb.evaluation.known_face import known_face, picture_of, shape_error
from ganfit_nb.fitting.consistency import Agreement, Consistency
from ganfit_nb.fitting.free_groups import FreeGroups
from ganfit_nb.fitting.stages import fit_set
from ganfit_nb.renderer.camera import orbit_camera
from ganfit_nb.renderer.lighting import frontal_light

CONFIG = FitConfig(steps=0, size=96)


@pytest.fixture(scope="module")
def model():
    return FaceModel.default()


@pytest.fixture(scope="module")
def truth(model):
    face = known_face(model, 8, 8)
    return face.replace(expression=torch.zeros_like(face.expression))


def photos_of(model, face):
    """From three sides, in light of three strengths and colours."""
    photos = []
    for yaw, colour in ((0.0, (1.0, 1.0, 1.0)), (0.4, (0.8, 0.7, 0.6)), (-0.4, (0.6, 0.7, 0.8))):
        light = frontal_light()
        light[3:] *= torch.tensor(colour).repeat(2)
        view = face.replace(camera=orbit_camera(yaw, 0.0, 900.0), light=light)
        photos.append(Photo.from_image(picture_of(model, view, 512)))
    return photos


@pytest.fixture(scope="module")
def photos(model, truth):
    return photos_of(model, truth)


def last_of(photos, model, stage):
    return [step for step in fit_set(photos, model, CONFIG) if step.stage == stage][-1]


def disagreement(photos, model):
    return last_of(photos, model, "consistency").steps[0].losses["consistency"]


def test_it_brings_a_known_face_nearer_the_truth_than_the_landmarks(photos, model, truth):
    steps = [step for step in fit_set(photos, model, CONFIG) if step.stage != "joint"]
    error = partial(shape_error, model.morphable, truth=truth.identity)
    aligned = [step for step in steps if step.stage == "align"][-1]
    assert error(steps[-1].steps[0].parameters.identity) < 0.88 * error(aligned.steps[0].parameters.identity)
    shown = [step.steps[0].losses["consistency"] for step in steps if step.stage == "consistency"]
    assert shown[-1] < 0.8 * shown[0] < 0.8


def test_its_derivatives_are_those_of_its_energy(photos, model):
    parameters = [step.parameters for step in last_of(photos, model, "align").steps]
    agreement = Agreement(Consistency(photos, model), parameters)
    _, descent = agreement.normal_equations()
    count = len(parameters[0].identity)
    direction = descent[:count] / descent[:count].norm()

    def moved(step):
        return agreement([p.replace(identity=p.identity + step * direction) for p in parameters])

    slope = float(moved(1e-2) - moved(-1e-2)) / 2e-2
    # The slopes of the maps are central differences, flatter than their finest detail.
    assert 2 * float(descent[:count] @ direction) == pytest.approx(slope, rel=0.25)


def test_photos_of_different_people_disagree(model, photos):
    others = [photos[0], photos_of(model, known_face(model, 7, 7))[1]]
    assert disagreement(others, model) > 3 * disagreement(photos[:2], model)


def test_it_can_be_left_out_and_one_photo_has_none(photos, model):
    paper = fit_set(photos[:2], model, FitConfig(steps=0, size=96, consistency=False))
    assert {step.stage for step in paper} == {"align", "joint"}
    assert {step.stage for step in fit_set(photos[:1], model, CONFIG)} == {"align", "joint"}


def test_a_frozen_shape_stays(photos, model):
    *_, last = fit_set(photos[:2], model, CONFIG, free=FreeGroups(identity=False))
    assert torch.equal(last.steps[0].parameters.identity, torch.zeros_like(last.steps[0].parameters.identity))
