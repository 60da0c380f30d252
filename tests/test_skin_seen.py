"""What hides the skin counts for nothing: found on renderings with something painted over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch import Tensor

from ganfit_nb import FaceModel, FitConfig, FreeGroups, LossWeights, Photo, fit
from ganfit_nb.assets import asset_path
from ganfit_nb.fitting.first_skin import first_appearance
from ganfit_nb.fitting.second_view import light_position
from ganfit_nb.fitting.skin_seen import MOST_HIDDEN, SkinSeen, explained
from ganfit_nb.parameters import FaceParameters

SIZE = 256
LIGHT = torch.cat([light_position(0.5, 0.35), torch.tensor([0.5, 0.45, 0.45, 0.6, 0.6, 0.55])])


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return FaceModel.default()


@pytest.fixture(scope="module")
def portrait() -> Photo:
    return Photo.open(asset_path("astronaut.png"))


@pytest.fixture(scope="module")
def truth(model: FaceModel) -> FaceParameters:
    """A person of the model's own, lit from the side."""
    texture = 0.8 * torch.randn(model.texture.dim, generator=torch.Generator().manual_seed(4))
    return model.mean_parameters().replace(texture=texture, light=LIGHT)


@pytest.fixture(scope="module")
def uncovered(model: FaceModel, truth: FaceParameters, portrait: Photo) -> Photo:
    picture = model.render(truth, SIZE).image.detach().clamp(0, 1)
    return Photo(
        image=picture,
        landmarks=model.landmarks(model.vertices(truth), truth.camera, SIZE),
        dense=None,
        original=(picture * 255).to(torch.uint8),
        to_original=torch.eye(3)[:2],
        source="rendering",
        boxes=portrait.boxes,
        notes=(),
    )


def dark_glass() -> Tensor:
    """(H, W) over an eye and the cheek below it, 50 by 30 pixels."""
    hidden = torch.zeros(SIZE, SIZE)
    hidden[110:140, 135:185] = 1
    return hidden


@pytest.fixture(scope="module")
def covered(uncovered: Photo) -> Photo:
    hidden = dark_glass()[..., None]
    picture = uncovered.image * (1 - hidden) + 0.03 * hidden
    return replace(uncovered, image=picture, original=(picture * 255).to(torch.uint8), _hair=None)


def shares(weight: Tensor, visible: Tensor) -> tuple[float, float]:
    """Mean weight of the skin under the glass, and of the rest but for a border of 10 pixels."""
    near = torch.nn.functional.max_pool2d(dark_glass()[None], 21, 1, 10)[0]
    inside, outside = dark_glass() * visible, (1 - near) * visible
    return tuple(float((weight * part).sum() / (visible * part).sum()) for part in (inside, outside))


def test_a_perfect_fit_hides_nothing(model: FaceModel, truth: FaceParameters, uncovered: Photo) -> None:
    seen, rendering = SkinSeen.of(uncovered), model.render(truth, SIZE)
    assert torch.equal(seen.weight(model, rendering), seen.visible(model, rendering))


def test_a_dark_glass_is_found(model: FaceModel, covered: Photo) -> None:
    """Though the fit is a guess: another skin than the photo's, and the truth's light."""
    rendering = model.render(model.mean_parameters().replace(light=LIGHT), SIZE)
    seen = SkinSeen.of(covered)
    inside, outside = shares(seen.weight(model, rendering), seen.visible(model, rendering))
    assert inside < 0.25
    assert outside > 0.9


def error_under_the_glass(model: FaceModel, found: FaceParameters, uncovered: Photo) -> float:
    """Mean difference from the photo before the glass was painted on it, which no fit has seen."""
    difference = model.render(found, SIZE).image.detach() - uncovered.image
    return float(difference[dark_glass() > 0].abs().mean())


def test_the_first_skin_under_the_glass_is_nearer_the_truth(
    model: FaceModel, truth: FaceParameters, covered: Photo, uncovered: Photo
) -> None:
    start = [truth.replace(texture=torch.zeros_like(truth.texture))]

    def error(occlusion: bool) -> float:
        (guess,) = first_appearance([covered], model, start, LossWeights(), FreeGroups(light=False), occlusion)
        return error_under_the_glass(model, guess, uncovered)

    assert error(True) < 0.25 * error(False)


def test_a_fit_under_the_glass_is_nearer_the_truth(model: FaceModel, covered: Photo, uncovered: Photo) -> None:
    def error(occlusion: bool) -> float:
        *_, step = fit(covered, model, FitConfig(steps=12, size=128, occlusion=occlusion))
        return error_under_the_glass(model, step.parameters, uncovered)

    errors = error(True), error(False)
    assert errors[0] < 0.5 * errors[1]


def test_a_covered_fit_resumes_bit_equal(model: FaceModel, covered: Photo) -> None:
    config = FitConfig(steps=4, size=128)
    steps = [step for step in fit(covered, model, config) if step.stage == "joint"]
    again = list(islice(fit(covered, model, config, start=steps[1]), 3))
    assert [step.losses for step in again] == [step.losses for step in steps[2:]]
    assert torch.equal(again[-1].parameters.texture, steps[-1].parameters.texture)


def disc(radius: float) -> Tensor:
    y, x = torch.meshgrid(torch.arange(SIZE) - SIZE / 2, torch.arange(SIZE) - SIZE / 2, indexing="ij")
    return ((x.square() + y.square()).sqrt() < radius).float()


@pytest.mark.parametrize(
    ("name", "difference"),
    [
        ("noise", lambda: 0.3 * torch.randn(SIZE, SIZE, 3)),
        ("wrinkles", lambda: 0.3 * torch.sin(torch.arange(SIZE) * 2.0)[:, None, None].expand(SIZE, SIZE, 3)),
        ("a mole of 6 mm", lambda: -0.3 * disc(3)[..., None].expand(SIZE, SIZE, 3)),
        ("a faint stain", lambda: 0.05 * disc(20)[..., None].expand(SIZE, SIZE, 3)),
        ("another light", lambda: torch.linspace(-0.3, 0.3, SIZE)[None, :, None].expand(SIZE, SIZE, 3)),
    ],
)
def test_what_is_no_occluder_counts(name: str, difference: Callable[[], Tensor]) -> None:
    differs, visible = difference().contiguous(), disc(80)
    where = visible * (differs.abs().amax(-1) > 0)
    assert float((explained(differs, visible) * where).sum() / where.sum()) > 0.75, name


def test_at_most_a_quarter_is_hidden() -> None:
    """Hard light: 40 % of a face in deep shadow."""
    visible = disc(80)
    shadow = (torch.arange(SIZE) > 137).float()[None, :, None].expand(SIZE, SIZE, 3)
    weight = explained(-0.5 * shadow, visible)
    assert float((visible * (weight < 0.49)).sum() / visible.sum()) < MOST_HIDDEN + 0.03


def test_several_views_are_weighed_as_each_alone(
    model: FaceModel, truth: FaceParameters, covered: Photo, portrait: Photo
) -> None:
    photos, faces = [covered, portrait.at(SIZE)], [truth, model.mean_parameters()]
    alone = [SkinSeen.of(p).weight(model, model.render(f, SIZE)) for p, f in zip(photos, faces, strict=True)]
    both = FaceParameters(*(torch.stack([getattr(f, name) for f in faces]) for name, _ in truth.items()))
    together = SkinSeen.together(photos).weight(model, model.render(both, SIZE))
    torch.testing.assert_close(together, torch.stack(alone), rtol=0, atol=1e-4)
    assert float((alone[0] - alone[1]).abs().mean()) > 0.01


def test_hair_counts_for_nothing_and_occlusion_can_be_left_out(model: FaceModel, portrait: Photo) -> None:
    rendering = model.render(model.mean_parameters(), SIZE)
    photo = portrait.at(SIZE)
    region = rendering.interpolate(model.morphable.pixel_region[:, None])[..., 0]
    assert torch.equal(SkinSeen.of(photo, occlusion=False).weight(model, rendering), region * photo.inside)
    visible, hair = SkinSeen.of(photo).visible(model, rendering), photo.hair > 0.9
    assert float((region * hair).sum()) > 300
    assert float((visible * hair).sum()) < 0.1 * float((region * hair).sum())


def test_a_face_out_of_sight_is_weighed_nothing(model: FaceModel, portrait: Photo) -> None:
    away = model.mean_parameters()
    away = away.replace(camera=away.camera + torch.tensor([0.0, 0, 0, 2000.0, 0, 0, 0]))
    weight = SkinSeen.of(portrait.at(SIZE)).weight(model, model.render(away, SIZE))
    assert float(weight.sum()) == 0
