"""The alignment's noise: what a detector gets wrong alike in all photos of a person does not become less by more."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ganfit_nb import FaceModel, FitConfig, Photo, fit
from ganfit_nb.assets import asset_path
from ganfit_nb.errors import GanfitError
from ganfit_nb.face.shape_prior import ShapePrior
from ganfit_nb.fitting.alignment import BIAS_SD, NOISE_SD, LandmarkEnergy
from ganfit_nb.fitting.landmark_pairs import landmark_pairs
from ganfit_nb.fitting.stages import fit_set


@pytest.fixture(scope="module")
def photo():
    return Photo.open(asset_path("astronaut.png"))


def shift_deviations(photo, count):
    """By how many standard deviations one pixel is off that a landmark lies beside its place in all photos alike."""
    model = FaceModel.default("pca")
    parameters = [model.mean_parameters()] * count
    pairs = landmark_pairs(photo, model.morphable, model.vertices(parameters[0]), parameters[0].camera)
    prior = ShapePrior.standard(len(model.morphable.identity_basis))
    energy = LandmarkEnergy([pairs] * count, model, prior, parameters)
    nose = 17 + 4  # after the jaw's 17: MediaPipe's tip of the nose, which is seen from the front
    same = torch.tensor([1.0, 0.0]).repeat(count)
    return float((energy.whitening[nose] @ same).norm())


def test_more_photos_of_one_view_never_outweigh_the_shared_error(photo):
    one, three, many = (shift_deviations(photo, count) for count in (1, 3, 30))
    assert one < three < many
    shared = one**-2 - NOISE_SD**2  # pixels², and the frontal camera sees 1.8 pixels a mm, the near nose more
    assert shared == pytest.approx((1.8 * BIAS_SD) ** 2, rel=0.3)
    assert many == pytest.approx((shared + NOISE_SD**2 / 30) ** -0.5, rel=0.02)


def test_photos_of_different_detectors_are_refused(photo):
    sparse = replace(photo, dense=None)
    with pytest.raises(GanfitError, match="different detectors"):
        list(fit_set([photo, sparse], FaceModel.default("pca"), FitConfig(steps=0, size=96)))


def openness(landmarks):
    """Height of the eyes in parts of their width, (68, 2) landmarks in iBUG order."""
    gaps = [landmarks[a] - landmarks[b] for a, b in ((37, 41), (38, 40), (43, 47), (44, 46))]
    widths = [landmarks[a] - landmarks[b] for a, b in ((36, 39), (42, 45))]
    return float(torch.stack(gaps).norm(dim=1).mean() / torch.stack(widths).norm(dim=1).mean())


def fitted_openness(photo, model):
    *_, aligned = fit(photo, model, FitConfig(steps=0, size=96))
    view = aligned.parameters
    return openness(model.landmarks(model.vertices(view), view.camera, 512))


def test_closed_eyes_are_closed_and_open_eyes_stay_open(photo):
    model = FaceModel.default("pca")
    shut = model.morphable.expression({"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0})
    mean = model.mean_parameters()
    closed = openness(model.landmarks(model.vertices(mean.replace(expression=shut)), mean.camera, 512))
    sleeper = Photo.open(Path("notebooks/data/scan/0.jpg"))
    assert openness(sleeper.landmarks) < 0.1
    assert fitted_openness(sleeper, model) < closed + 0.07  # the mean face: closed + 0.2
    assert fitted_openness(photo, model) == pytest.approx(openness(photo.landmarks), abs=0.06)


def test_lids_may_close_and_the_rest_of_the_prior_stays():
    model = FaceModel.default("pca").morphable
    whitening = model.expression_whitening
    shut = model.expression({"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0})
    assert float((whitening @ shut).norm()) < 3 < 5 < float(shut.norm())
    basis = torch.linalg.qr(torch.stack([model.expression({f"eyeBlink{side}": 1.0}) for side in ("Left", "Right")]).T)[
        0
    ]
    other = torch.randn(len(shut))
    other = other - basis @ (basis.T @ other)
    assert torch.allclose((whitening @ other).norm(), other.norm(), rtol=1e-4)
