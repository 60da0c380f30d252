"""Phong against values worked out by hand, finite differences, and the compiled against the plain one."""

import pytest
import torch
from tolerances import SINGLE

from ganfit_nb.renderer import lighting, phong_numba, rasterizer_torch

EYE = torch.tensor([0.0, 0.0, 500.0])


def compiled_phong(albedo, normals, positions, eye, p_l):
    """Of points that are all in one view."""
    return phong_numba.phong(albedo, normals, positions, eye[None], p_l[None], torch.zeros(len(albedo), dtype=int))


PHONG = pytest.mark.parametrize("phong", [lighting.phong, compiled_phong], ids=["torch", "numba"])


def light(position, colour=0.6, ambient=0.3):
    return torch.tensor([*position, *[colour] * 3, *[ambient] * 3])


def shade(phong, normal, p_l, albedo=0.5):
    return phong(torch.full((1, 3), albedo), torch.tensor([normal]), torch.zeros(1, 3), EYE, p_l)[0, 0].item()


@PHONG
def test_light_and_eye_in_front(phong):
    expected = 0.5 * (0.3 + 0.6) + 0.6 * lighting.SPECULAR
    assert shade(phong, [0.0, 0, 3], light([0, 0, 700])) == pytest.approx(expected, rel=SINGLE)


@PHONG
def test_light_from_the_side(phong):
    """At 60° n·l = 1/2 and, with the eye along the normal, r·v = 1/2."""
    p_l = light([3**0.5 * 100, 0, 100])
    expected = 0.5 * (0.3 + 0.6 * 0.5) + 0.6 * lighting.SPECULAR * 0.5**lighting.SHININESS * 0.5
    assert shade(phong, [0.0, 0, 1], p_l) == pytest.approx(expected, rel=SINGLE)


@PHONG
def test_light_from_behind_leaves_the_ambient(phong):
    assert shade(phong, [0.0, 0, 1], light([0, 100, -100])) == pytest.approx(0.5 * 0.3)


@PHONG
def test_not_clamped_and_no_falloff(phong):
    near, far = (shade(phong, [0.0, 0, 1], light([0, 0, d], colour=3.0)) for d in (200.0, 20000.0))
    assert near == pytest.approx(far, rel=SINGLE)
    assert near > 1


def points(count=40, dtype=torch.float64):
    albedo, normals, positions = (torch.rand(count, 3, dtype=dtype) - shift for shift in (0.0, 0.5, 0.5))
    p_l = torch.cat([torch.tensor([200.0, 300, 400]), torch.rand(6)]).to(dtype)
    return [t.requires_grad_() for t in (albedo, normals, positions * 100, EYE.to(dtype), p_l)]


@PHONG
def test_gradient_is_that_of_finite_differences(phong):
    inputs = [t.detach().requires_grad_() for t in points(count=6)]
    assert torch.autograd.gradcheck(phong, inputs, atol=1e-6)


@PHONG
def test_null_normals_and_a_light_on_the_surface_stay_finite(phong):
    inputs = [t.detach() for t in points(dtype=torch.float32)]
    inputs[1][0] = 0
    inputs[2][1] = inputs[4][:3]
    inputs[2][2] = inputs[3]
    for t in inputs:
        t.requires_grad_()
    colours = phong(*inputs)
    colours.sum().backward()
    assert torch.isfinite(colours).all()
    assert all(torch.isfinite(t.grad).all() for t in inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_compiled_equals_plain(dtype):
    inputs = [t.detach().requires_grad_() for t in points(500, dtype)]
    plain, compiled = lighting.phong(*inputs), compiled_phong(*inputs)
    weight = torch.randn_like(plain)
    assert torch.allclose(plain, compiled, atol=SINGLE)
    for a, b in zip(
        torch.autograd.grad(plain, inputs, weight), torch.autograd.grad(compiled, inputs, weight), strict=True
    ):
        assert (a - b).abs().max() <= 1e-4 * a.abs().max()


@pytest.mark.parametrize("phong", [rasterizer_torch.phong, phong_numba.phong], ids=["torch", "numba"])
def test_points_of_two_views_have_their_own_eye_and_light(phong):
    albedo, normals, positions, eye, p_l = (tensor.detach() for tensor in points(8))
    eyes, lights = torch.stack([eye, -eye]), torch.stack([p_l, 2 * p_l])
    view = torch.arange(8) % 2
    colours = phong(albedo, normals, positions, eyes, lights, view)
    for k in range(2):
        mine = view == k
        expected = lighting.phong(albedo[mine], normals[mine], positions[mine], eyes[k], lights[k])
        torch.testing.assert_close(colours[mine], expected)
