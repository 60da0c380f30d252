"""Derivatives of the picture and of the losses against reverse mode and against finite differences."""

from dataclasses import replace

import pytest
import torch
from tolerances import PATCHES, SMOOTH_PATCHES

from ganfit_nb import FaceModel, GanfitError, LossWeights, Photo
from ganfit_nb.assets import asset_path
from ganfit_nb.evaluation.known_face import known_face
from ganfit_nb.fitting.objective import Objective
from ganfit_nb.fitting.rates import small_steps
from ganfit_nb.fitting.sensitivity import (
    Patches,
    along,
    picture,
    picture_derivative,
    picture_difference,
    vertex_gradient,
)
from ganfit_nb.networks.identity import IdentityNetwork

SIZE = 96
NUMBERS = [
    ("identity", 0),
    ("identity", 40),
    ("expression", 2),
    ("texture", 1),
    ("camera", 0),
    ("camera", 6),
    ("light", 0),
    ("light", 4),
]


@pytest.fixture(scope="module")
def model():
    return FaceModel.default("pca")


@pytest.fixture(scope="module")
def face(model):
    return known_face(model, 7, 7)


@pytest.mark.parametrize(("group", "index"), NUMBERS)
@pytest.mark.parametrize("antialias", [True, False])
def test_forward_mode_is_reverse_mode_transposed(model, face, group, index, antialias):
    """⟨w, J d⟩ by forward mode in plain torch equals ⟨Jᵀ w, d⟩ by reverse mode in compiled kernels."""
    weight = torch.randn(SIZE, SIZE, 3)
    derivative = picture_derivative(model, face, along(face, group, index), SIZE, antialias=antialias)
    leaf = dict(face.items())[group].clone().requires_grad_()
    moved = picture(model, face.replace(**{group: leaf}), SIZE, antialias=antialias)
    (gradient,) = torch.autograd.grad((weight * moved).sum(), leaf)
    scale = float((weight * derivative).abs().sum())
    assert scale > 0
    assert float((weight * derivative).sum() - gradient[index]) == pytest.approx(0, abs=1e-4 * scale)


@pytest.mark.parametrize(("group", "index"), NUMBERS)
def test_the_derivative_is_what_one_measures(model, face, group, index):
    """With a step so small that hardly any pixel changes hands where surfaces pass through each other (lids, lips)."""
    direction, step = along(face, group, index), 0.03 * float(dict(small_steps(face).items())[group][index])
    derivative = picture_derivative(model, face, direction, SIZE)
    difference = picture_difference(model, face, direction, SIZE, step)
    wrong = (derivative - difference).abs() > 0.05 * derivative.abs().amax()
    assert wrong.float().mean() < 0.004
    assert torch.cosine_similarity(derivative.flatten(), difference.flatten(), dim=0) > 0.993


def test_without_antialiasing_outlines_are_missing(model, face):
    """The head grows by camera and mean brightness with it: only the blended outlines tell the derivative."""
    direction = along(face, "camera", 6)
    truth = float(picture_difference(model, face, direction, SIZE, 3e-4).sum())
    smooth, jagged = (
        float(picture_derivative(model, face, direction, SIZE, antialias=choice).sum()) for choice in (True, False)
    )
    assert smooth == pytest.approx(truth, rel=0.01)
    assert abs(jagged - truth) > 0.5 * abs(truth)


def test_a_number_that_is_not_there(face):
    for group, index in (("hair", 0), ("camera", 7), ("identity", -1)):
        with pytest.raises(GanfitError, match="no number"):
            along(face, group, index)


@pytest.fixture(scope="module")
def objective(model):
    photo = Photo.open(asset_path("astronaut.png"))
    found = Objective.of([[photo]], model, IdentityNetwork.default(), size=SIZE, occlusion=False)
    return replace(found, model=model)


@pytest.mark.parametrize(
    ("term", "tolerance"), [("pixel", PATCHES), ("identity", PATCHES), ("landmark", SMOOTH_PATCHES)]
)
def test_patches_answer_as_the_gradient_says(objective, model, term, tolerance):
    parameters = model.mean_parameters()
    weights = LossWeights().only(term)
    patches = Patches.of(model, parameters, 16)
    told = patches.derivatives(vertex_gradient(objective, parameters, weights))
    measured = torch.zeros(patches.count)
    for patch, value in patches.differences(objective, parameters, weights):
        measured[patch] = value
    assert float((told - measured).norm()) < tolerance * float(measured.norm())


def test_patches_cover_the_face_and_nothing_else(model):
    patches = Patches.of(model, model.mean_parameters(), 30)
    face = model.morphable.face_region
    torch.testing.assert_close(patches.share.sum(1), face.float())
    assert patches.share[face].amax(0).min() > 0.9  # each patch has a middle of its own
    assert patches.count == 30
    torch.testing.assert_close(patches.on_vertices(torch.full((30,), 2.0)), 2.0 * face)
    assert patches.pushed(3).norm(dim=1).max() == pytest.approx(float(patches.share[:, 3].max()), rel=1e-4)


def test_no_term_has_no_gradient(objective, model):
    parameters = model.mean_parameters()
    assert (vertex_gradient(objective, parameters, LossWeights().only()) == 0).all()
    only_prior = replace(LossWeights().only(), light_prior=1.0)
    assert (vertex_gradient(objective, parameters, only_prior) == 0).all()
