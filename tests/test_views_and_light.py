"""The second view of Eq. 7 and the first guess of the light."""

import pytest
import torch

from ganfit_nb import FaceModel, Photo
from ganfit_nb.assets import asset_path
from ganfit_nb.fitting.first_light import first_light
from ganfit_nb.fitting.second_view import EXPRESSION_SD, light_deviation, light_mean, light_position, second_view
from ganfit_nb.fitting.skin_seen import SkinSeen
from ganfit_nb.parameters import FaceParameters


@pytest.fixture(scope="module")
def model():
    return FaceModel.default()


@pytest.fixture(scope="module")
def drawn(model) -> list[FaceParameters]:
    return [second_view(model.mean_parameters(), 0, index) for index in range(200)]


def test_a_view_depends_on_seed_and_index_alone(model):
    mean = model.mean_parameters()
    torch.manual_seed(1)
    first = second_view(mean, 3, 5)
    torch.manual_seed(2)
    assert all(torch.equal(value, getattr(second_view(mean, 3, 5), name)) for name, value in first.items())
    assert not torch.equal(first.camera, second_view(mean, 3, 6).camera)
    assert not torch.equal(first.camera, second_view(mean, 4, 5).camera)


def test_identity_and_texture_are_shared(model):
    mean = model.mean_parameters()
    parameters = mean.replace(identity=torch.randn(158))
    view = second_view(parameters, 0, 0)
    assert view.identity is parameters.identity
    assert view.texture is parameters.texture


def test_the_draws_have_the_stated_spread(drawn):
    expressions = torch.stack([view.expression for view in drawn])
    assert float(expressions.std()) == pytest.approx(EXPRESSION_SD, rel=0.05)
    yaw = torch.stack([torch.atan2(view.camera[0], view.camera[2]) for view in drawn]).rad2deg()
    assert float(yaw.std()) == pytest.approx(19, abs=3)
    assert float(yaw.abs().max()) <= 40.01
    assert all((view.light[3:] > 0).all() for view in drawn)


def test_the_mean_light_deviates_by_nothing():
    torch.testing.assert_close(light_deviation(light_mean()), torch.zeros(8))
    tinted = light_mean() + torch.tensor([0.0, 0, 0, 0.2, 0, 0, 0, 0, 0])
    assert float(light_deviation(tinted).abs().max()) > 1


@pytest.mark.parametrize("azimuth", [-0.8, 0.0, 0.8])
def test_the_first_light_comes_from_where_it_came(model, azimuth):
    """A rendered face lit from one side, the truth but for the light given: the guess lies on that side."""
    light = torch.cat([light_position(azimuth, 0.35), torch.tensor([0.6, 0.55, 0.5, 0.35, 0.4, 0.45])])
    truth = model.mean_parameters().replace(light=light)
    picture = model.render(truth, 256).image.clamp(0, 1)
    portrait = Photo.open(asset_path("astronaut.png")).at(256)
    photo = Photo(
        image=picture,
        landmarks=portrait.landmarks,
        dense=None,
        original=(picture * 255).to(torch.uint8),
        to_original=torch.eye(3)[:2],
        source="rendering",
        boxes=torch.tensor([[0.0, 0.0, 1.0, 1.0]]),
        notes=(),
    )
    rendering = model.render(truth, 256)
    guess = first_light(photo.image, model, truth, SkinSeen.of(photo).weight(model, rendering))
    found = float(torch.atan2(guess[0], guess[2]))
    assert found == pytest.approx(azimuth, abs=0.3)
    torch.testing.assert_close(guess[3:], light[3:], atol=0.12, rtol=0)
