"""The look-at camera against worked examples, and against a camera built another way."""

import math

import pytest
import torch

from ganfit_nb.errors import GanfitError
from ganfit_nb.renderer.camera import NEAR, camera_axes, eye, frontal_camera, orbit_camera, project


@pytest.mark.parametrize("distance", [400.0, 1000.0, 5000.0])
def test_frontal_camera_agrees_with_the_photo_template(distance):
    camera = frontal_camera(distance)
    side = torch.tensor([[0.0, 0, 0], [140.0, 0, 0], [-140.0, 0, 0]])
    x, y, depth = project(side, camera, 512).unbind(-1)
    assert torch.allclose(x, torch.tensor([256.0, 512.0, 0.0]), atol=1e-3)
    assert torch.allclose(y, torch.full((3,), 0.52 * 512), atol=1e-3)
    assert torch.allclose(depth, torch.full((3,), distance))


def test_axes_on_the_screen():
    """+x is right, +y is up (smaller row), +z comes nearer."""
    origin, right, up, near = project(
        torch.tensor([[0.0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]]), frontal_camera(), 100
    )
    assert right[0] > origin[0]
    assert up[1] < origin[1]
    assert near[2] == origin[2] - 10


def test_project_equals_a_rotation_followed_by_a_pinhole():
    yaw, pitch, distance, size = 0.4, 0.3, 700.0, 300
    camera = orbit_camera(yaw, pitch, distance)
    points = torch.randn(20, 3) * 60
    turn = torch.tensor([[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]])
    tilt = torch.tensor([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
    x, y, z = ((points - camera[3:6]) @ turn.T @ tilt.T).unbind(1)
    depth = distance - z
    expected = torch.stack([size / 2 * (1 + camera[6] * x / depth), size / 2 * (1 - camera[6] * y / depth), depth], 1)
    assert torch.allclose(project(points, camera, size), expected, atol=1e-3)


def test_axes_are_orthonormal_and_up_is_up():
    axes = camera_axes(torch.tensor([300.0, 200, 500, 10, -20, 30, 5]))
    assert torch.allclose(axes @ axes.T, torch.eye(3), atol=1e-6)
    assert axes[0, 1] == 0  # no roll
    assert axes[1, 1] > 0


def test_project_has_the_gradient_of_finite_differences():
    points = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    camera = orbit_camera(0.3, 0.2).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda p, c: project(p, c, 64), (points, camera))


def test_points_behind_the_eye_stay_finite():
    camera = frontal_camera(500.0)
    points = torch.stack([eye(camera), eye(camera) + 10]).requires_grad_()
    screen = project(points, camera, 64)
    screen.sum().backward()
    assert (screen[:, 2] < NEAR).all()
    assert torch.isfinite(screen).all()
    assert torch.isfinite(points.grad).all()


@pytest.mark.parametrize(
    "camera",
    [
        [0.0, 0, 500, 0, 0, 500, 5],
        [0.0, 500, 0, 0, 0, 0, 5],
        [0.0, float("nan"), 500, 0, 0, 0, 5],
        [0.0, 0, float("inf"), 0, 0, 0, 5],
    ],
    ids=["eye is target", "along y", "nan", "inf"],
)
def test_a_camera_without_direction_is_refused(camera):
    with pytest.raises(GanfitError, match="camera has no direction"):
        project(torch.zeros(1, 3), torch.tensor(camera), 64)
