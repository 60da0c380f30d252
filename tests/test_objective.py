"""Every term's gradient against finite differences, on the whole chain from parameters to loss, silhouettes
included."""

from dataclasses import replace

import pytest
import torch
from tolerances import COLOURS, FACE_MOVES, FACE_MOVES_SEEN, NUMERIC

from ganfit_nb import FaceModel, LossWeights, Photo
from ganfit_nb.assets import asset_path
from ganfit_nb.fitting.objective import Evaluation, Objective
from ganfit_nb.networks.identity import IdentityNetwork
from ganfit_nb.parameters import FaceParameters

# Length of the path each group of parameters is moved along.
PATHS = {"identity": 0.5, "expression": 0.5, "texture": 0.5, "camera": 0.3, "light": 0.1}
# in units in which the numbers of a group matter alike: else the camera's path is all zoom, which alignment takes out
UNITS = {"camera": torch.tensor([100.0, 100.0, 100.0, 10.0, 10.0, 10.0, 0.5])}
# Where two surfaces pass through each other (eyeballs and lids, lips) the line between them moves without a gradient:
# eyes and mouth are covered here, but not in the second view.
MOVING = {
    "pixel": FACE_MOVES,
    "identity": FACE_MOVES_SEEN,
    "content": FACE_MOVES_SEEN,
    "second_identity": FACE_MOVES_SEEN,
}
COLOURING = dict.fromkeys(MOVING, COLOURS)
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
    photo = Photo.open(asset_path("astronaut.png"))
    return Objective.of([[photo]], FaceModel.default(), IdentityNetwork.default(), size=256)


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


def evaluate(objective: Objective, face: FaceParameters, weights: LossWeights) -> Evaluation:
    return objective.evaluate(objective.views.together([face]), weights, 0)


def value_and_gradient(objective: Objective, at: FaceParameters, term: str) -> tuple[float, FaceParameters]:
    leaves = at.map(lambda value: value.clone().requires_grad_())
    (total,) = evaluate(objective, leaves, only(term)).totals
    gradient = torch.autograd.grad(total, [value for _, value in leaves.items()], allow_unused=True)
    return float(total.detach()), FaceParameters(
        *(torch.zeros_like(v) if g is None else g for (_, v), g in zip(at.items(), gradient, strict=True))
    )


@pytest.fixture(scope="module")
def uncovered(objective, somewhere):
    """(H, W), 0 on eyes and mouth."""
    points = objective.model.landmarks(objective.model.vertices(somewhere), somewhere.camera, objective.size)
    keep = torch.ones(objective.size, objective.size)
    for part in (points[36:42], points[42:48], points[48:68]):
        (left, top), (right, bottom) = (part.amin(0) - 6).int().tolist(), (part.amax(0) + 6).int().tolist()
        keep[top:bottom, left:right] = 0
    return keep


@pytest.mark.parametrize("term", list(REACHES))
def test_gradient_agrees_with_finite_differences(objective, somewhere, uncovered, term, monkeypatch):
    """The gradient added up along a path is the difference between its ends, pixels that change hands included."""
    weight = objective._pixel_weight(evaluate(objective, somewhere, LossWeights()).rendering) * uncovered
    crop = Objective.crop

    def covered_crop(self, images, landmarks):
        return crop(self, images * uncovered[..., None] + 0.5 * (1 - uncovered[..., None]), landmarks)

    monkeypatch.setattr(Objective, "_pixel_weight", lambda self, rendering: weight)  # a constant in every evaluation
    if term != "second_identity":
        monkeypatch.setattr(Objective, "crop", covered_crop)
    objective = replace(objective)  # its photo's features are to be those of the covered photo
    _, gradient = value_and_gradient(objective, somewhere, term)
    for group, slope in gradient.items():
        if group not in REACHES[term]:
            assert float(slope.norm()) == 0.0, group
            continue
        unit = UNITS.get(group, torch.ones_like(slope))
        direction = PATHS[group] * unit**2 * slope / (unit * slope).norm()

        def at(fraction, group=group, direction=direction):
            return somewhere.replace(**{group: getattr(somewhere, group) + fraction * direction})

        colours = group in ("texture", "light")
        points, tolerance = (24, COLOURING) if colours else (12, MOVING)
        added = 0.0
        for point in range(points):
            _, here = value_and_gradient(objective, at((point + 0.5) / points - 0.5), term)
            added += float((getattr(here, group) * direction).sum()) / points
        difference = value_and_gradient(objective, at(0.5), term)[0] - value_and_gradient(objective, at(-0.5), term)[0]
        assert added == pytest.approx(difference, rel=tolerance.get(term, NUMERIC)), group


def test_a_term_of_weight_zero_is_not_computed(objective, somewhere):
    weights = LossWeights(identity=0.0, second_identity=0.0, content=0.0, pixel=0.0)
    evaluation = evaluate(objective, somewhere, weights)
    assert evaluation.rendering is None
    assert set(evaluation.terms) == {"landmark", "shape_prior", "light_prior", "texture_prior"}
