"""Every term's gradient against finite differences, on the whole chain from parameters to loss, silhouettes
included."""

import pytest
import torch

from ganfit_nb import FaceModel, LossWeights, Photo
from ganfit_nb.assets import asset_path
from ganfit_nb.identity import IdentityNetwork
from ganfit_nb.objective import Objective
from ganfit_nb.parameters import FaceParameters

# How far to go along the gradient's direction for a central difference. Near, because a recogniser's landscape is
# curved and a pixel that changes sides inside the face is a jump; far enough for float32.
STEPS = {"identity": 2e-3, "expression": 1e-3, "texture": 1e-2, "camera": 5e-4, "light": 2e-3}
REACHES = {
    "identity": ("identity", "expression", "texture", "camera", "light"),
    "second_identity": ("identity", "texture"),
    "content": ("identity", "expression", "texture", "camera", "light"),
    "pixel": ("identity", "expression", "texture", "camera", "light"),
    "landmark": ("identity", "expression", "camera"),
    "shape_prior": ("identity", "expression"),
    "light_prior": ("light",),
    "texture_prior": ("texture",),
}


@pytest.fixture(scope="module")
def objective():
    photo = Photo.open(asset_path("astronaut.png")).at(256)
    return Objective(photo, FaceModel.default(), IdentityNetwork.default(), seed=0)


@pytest.fixture(scope="module")
def somewhere(objective):
    """A face off the mean, turned and lit from the side, so that nothing is stationary by symmetry."""
    generator = torch.Generator().manual_seed(1)
    mean = objective.model.mean_parameters()
    noise = mean.map(lambda value: 0.5 * torch.randn(value.shape, generator=generator))
    camera = mean.camera + torch.tensor([120.0, 40.0, 0.0, 3.0, 2.0, 0.0, 0.1])
    light = mean.light + torch.tensor([500.0, 0.0, 0.0, 0.1, 0.05, 0.0, 0.0, 0.05, 0.1])
    return noise.replace(camera=camera, light=light)


def only(term: str) -> LossWeights:
    weights = LossWeights().only()
    setattr(weights, term, 1.0)
    return weights


def value_and_gradient(objective: Objective, at: FaceParameters, term: str) -> tuple[float, FaceParameters]:
    leaves = at.map(lambda value: value.clone().requires_grad_())
    total = objective.evaluate(leaves, only(term), 0).total
    gradient = torch.autograd.grad(total, [value for _, value in leaves.items()], allow_unused=True)
    return float(total.detach()), FaceParameters(
        *(torch.zeros_like(v) if g is None else g for (_, v), g in zip(at.items(), gradient, strict=True))
    )


@pytest.mark.parametrize("term", list(REACHES))
def test_gradient_agrees_with_finite_differences(objective, somewhere, term):
    _, gradient = value_and_gradient(objective, somewhere, term)
    for group, slope in gradient.items():
        if group not in REACHES[term]:
            assert float(slope.norm()) == 0.0, group
            continue
        direction = slope / slope.norm()
        step = STEPS[group]
        ends = []
        for sign in (1, -1):
            moved = getattr(somewhere, group) + sign * step * direction
            with torch.no_grad():
                evaluation = objective.evaluate(somewhere.replace(**{group: moved}), only(term), 0)
            ends.append(float(evaluation.total))
        difference = (ends[0] - ends[1]) / (2 * step)
        assert float(slope.norm()) == pytest.approx(difference, rel=0.1), group


def test_a_term_of_weight_zero_is_not_computed(objective, somewhere):
    weights = LossWeights(identity=0.0, second_identity=0.0, content=0.0, pixel=0.0)
    evaluation = objective.evaluate(somewhere, weights, 0)
    assert evaluation.rendering is None
    assert set(evaluation.terms) == {"landmark", "shape_prior", "light_prior", "texture_prior"}
