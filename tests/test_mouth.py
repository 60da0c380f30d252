"""The painted inside of the mouth: in every map of every texture model, at every size."""

import pytest
import torch

from ganfit_nb.face.face_model import shipped_texture
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.face.mouth import HEIGHT, WIDTH, mouth_albedo, with_mouth
from ganfit_nb.renderer.sample_uv import sample_uv


@pytest.mark.parametrize("side", [64, 100, 512])
def test_both_bottom_corners_are_painted_and_nothing_else(side):
    plain = torch.full((side, side, 3), 0.25, requires_grad=True)
    painted = with_mouth(plain)
    height, width = round(HEIGHT * side), round(WIDTH * side)
    left, right = painted[side - height :, :width], painted[side - height :, side - width :]
    torch.testing.assert_close(left, right.flip(1))
    assert float((painted - 0.25).detach()[: side - height].abs().max()) == 0
    painted.sum().backward()
    assert float(plain.grad.sum()) == pytest.approx(3 * (side**2 - 2 * height * width))
    assert float(plain.detach().std()) == 0  # the given map is left as it was


@pytest.mark.parametrize("name", ["gan", "pca"])
def test_teeth_are_light_and_gums_red_whoever_the_person_is(name):
    texture = shipped_texture(name)
    model = MorphableModel.default()
    corner = (model.uv[:, 1] > 1 - HEIGHT) & ((model.uv[:, 0] - 0.5).abs() > 0.5 - WIDTH)
    inside = corner & (model.pixel_region == 0)
    front = inside & (model.mean[:, 2] > model.mean[inside, 2].max() - 12)
    generator = torch.Generator().manual_seed(0)
    places = model.uv[front]
    maps = texture(torch.randn(2, 512, generator=generator))
    colours = [sample_uv(maps, places, torch.full((len(places),), person)) for person in range(2)]
    torch.testing.assert_close(colours[0], colours[1])
    lightest, reddest = colours[0].mean(1).quantile(0.9), (colours[0][:, 0] / colours[0][:, 2]).quantile(0.9)
    assert float(lightest) > 0.5
    assert float(reddest) > 1.8


def test_the_albedo_is_small():
    assert mouth_albedo().shape == (64, 72, 3)
