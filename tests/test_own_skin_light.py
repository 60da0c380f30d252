"""The light is taken out of an unwrapped photo: that of the lamp, what it does not explain, shadows and highlights."""

import pytest
import torch

from ganfit_nb import FaceModel
from ganfit_nb.own_skin.delight import delight, harmonics, sure_of_lamp, without_lamp
from ganfit_nb.own_skin.left_light import without_left_light
from ganfit_nb.renderer.camera import eye
from ganfit_nb.renderer.lighting import phong

COUNT = 6000


@pytest.fixture(scope="module")
def ball():
    """Points of a ball's front, with an albedo that varies by 10 % without any pattern, under a lamp from the side."""
    generator = torch.Generator().manual_seed(1)
    normals = torch.nn.functional.normalize(torch.randn(COUNT, 3, generator=generator), dim=1)
    normals[:, 2] = normals[:, 2].abs()
    skin = torch.tensor([0.7, 0.5, 0.4])
    albedo = skin * (1 + 0.1 * torch.randn(COUNT, 1, generator=generator)).clamp(0.7, 1.3)
    light = torch.tensor([500.0, 300.0, 800.0, 0.5, 0.5, 0.4, 0.4, 0.4, 0.5])
    return 80 * normals, normals, skin.expand(COUNT, 3).clone(), albedo, light


def face_under(light):
    return FaceModel.default().mean_parameters().replace(light=light)


def photographed(ball):
    points, normals, _, albedo, light = ball
    return phong(albedo, normals, points, eye(face_under(light).camera), light)


def shading_left(found, albedo, normals):
    """The largest coefficient of what depends on the normals in the logarithm of found / true."""
    ratio = (found.clamp(min=1e-3) / albedo).log()
    basis = harmonics(normals)
    return float(torch.linalg.lstsq(basis, ratio).solution[1:].abs().max())


def test_the_lamp_alone_is_taken_out_exactly(ball):
    points, normals, _, albedo, light = ball
    found, _ = without_lamp(photographed(ball), points, normals, face_under(light))
    torch.testing.assert_close(found, albedo, rtol=1e-4, atol=1e-5)


def test_light_that_no_lamp_explains_is_taken_out_and_the_tone_is_the_expected_one(ball):
    points, normals, expected, albedo, light = ball
    sky = (harmonics(normals) @ torch.tensor([0.1, 0.1, -0.15, 0.05, 0.05, 0.0, 0.05, 0.05, 0.0]))[:, None].exp()
    weight = torch.ones(COUNT)
    lit = photographed(ball) * sky
    delit = delight(lit, weight, points, normals, face_under(light), expected)
    before, _ = without_lamp(lit, points, normals, face_under(light))
    assert shading_left(before, albedo, normals) > 0.1
    assert shading_left(delit.albedo, albedo, normals) < 0.015
    assert delit.residual_light == pytest.approx(0.25, abs=0.05)
    assert float((delit.albedo.mean(0) / expected.mean(0) - 1).abs().max()) < 0.03


def test_a_beard_does_not_become_light(ball):
    """A tenth of the points is much darker than expected."""
    points, normals, expected, albedo, light = ball
    bearded = albedo.clone()
    bearded[::10] *= 0.3
    lit = phong(bearded, normals, points, eye(face_under(light).camera), light)
    delit = delight(lit, torch.ones(COUNT), points, normals, face_under(light), expected)
    ratio = (delit.albedo / bearded).log()
    assert float(ratio.abs().median()) < 0.02


def test_where_a_small_tilt_changes_the_light_nothing_is_sure():
    angle = torch.linspace(0, 3.0, 31)
    normals = torch.stack([angle.sin(), 0 * angle, angle.cos()], 1)
    light = torch.tensor([0.0, 0.0, 1e6, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1])
    shading = (0.1 + 0.9 * angle.cos().clamp(min=0))[:, None].expand(-1, 3).contiguous()
    sure = sure_of_lamp(shading, torch.zeros(31, 3), normals, light)
    assert float(sure[:3].min()) > 0.95  # faces the lamp
    assert float(sure[12:17].max()) == 0.0  # 70° to 90°, the terminator
    assert float(sure_of_lamp(torch.full((31, 3), 1e-3), torch.zeros(31, 3), normals, light).max()) == 0.0  # darkness


def halves():
    """Grid coordinates of a 128² map, and a weight that is 1 everywhere."""
    row, column = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    return row, column, torch.ones(128, 128), torch.tensor([0.7, 0.5, 0.4]).expand(128, 128, 3)


def test_a_shadow_on_one_half_loses_its_weight_and_a_beard_on_both_keeps_it():
    row, column, weight, expected = halves()
    rho = torch.zeros(128, 128, 3)
    rho[30:50, 20:40] = -0.6  # a cast shadow
    beard = (row > 90) & (row < 110) & ((column - 63.5).abs() < 30)
    rho[beard] = -0.6
    kept = without_left_light(rho, expected, weight)
    assert float(kept[35:45, 25:35].max()) < 0.05
    assert float(kept[35:45, 93:103].min()) > 0.95  # its mirror image
    assert float(kept[95:105, 40:88].min()) > 0.95


def test_a_highlight_loses_its_weight_and_light_skin_keeps_it():
    _, _, weight, expected = halves()
    rho = torch.zeros(128, 128, 3)
    both = [slice(20, 44), slice(84, 108)]
    for columns in both:
        rho[20:40, columns] = ((expected + 0.2) / expected).log()[20:40, columns]  # white light is added
        rho[80:100, columns] = 0.25  # less pigment
    kept = without_left_light(rho, expected, weight)
    assert float(kept[25:35, 25:39].max()) < 0.05
    assert float(kept[85:95, 25:39].min()) > 0.95
