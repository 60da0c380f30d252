"""A GPU must not be waited for within a step, and it must not have more to start for more faces.

There is no GPU here. `pretended_gpu` tells what a step asks of one.
"""

from dataclasses import replace

import pytest
import torch
from meshes import smooth_texture, two_eggs
from pretended_gpu import Operators, pretended_gpu

from ganfit_nb import FaceModel, FitConfig, Photo, fit_people
from ganfit_nb.assets import asset_path
from ganfit_nb.fitting.stages import align_set
from ganfit_nb.renderer import antialias, rasterizer_torch, render
from ganfit_nb.renderer.camera import frontal_camera, orbit_camera
from ganfit_nb.renderer.lighting import frontal_light
from ganfit_nb.renderer.rasterize import forward_mode

SIZE = 32


@pytest.mark.parametrize(
    ("work", "count"),
    [
        (lambda x: x.sum().item(), 1),
        (lambda x: bool((x > 0).any()), 1),
        (lambda x: x[x > 0], 1),
        (lambda x: x[[0, 1]], 1),
        (lambda x: (x > 0).nonzero(), 1),
        (lambda x: x.masked_select(x > 0), 1),
        (lambda x: x.unique(), 1),
        (lambda x: x.repeat_interleave((x > 0).long()), 1),
        (lambda x: torch.linalg.inv(x.outer(x) + x.diag()), 1),
        (lambda x: x.new_tensor([1.0, 2.0]), 1),
        (lambda x: torch.ones(3).to(x.device), 1),
        (lambda x: x.cpu(), 1),
        (lambda x: torch.ones(3).to(x.device, non_blocking=True), 0),
        (lambda x: torch.nonzero_static(x > 0, size=3), 0),
        (lambda x: torch.where(x > 0, x, 0.0).sort().values.cumsum(0), 0),
    ],
)
def test_what_counts_as_a_wait(work, count):
    with pretended_gpu() as device:
        x = torch.tensor([1.0, 2.0, -3.0]).to(device)
        with Operators() as operators:
            work(x)
    assert operators.waits.total() == count, operators.waits


def test_operators_that_mix_devices_fail():
    with pretended_gpu() as device, pytest.raises(RuntimeError, match="several devices"):
        torch.ones(3).to(device) + torch.ones(3)


@pytest.fixture(scope="module")
def joint():
    """A function of (people, device): the joint stage of so many people, who all look alike."""
    photo, model, config = Photo.open(asset_path("astronaut.png")), FaceModel.default(), FitConfig(steps=3, size=SIZE)
    *_, aligned = align_set([photo], model, config)
    (begun,) = next(fit_people([[photo]], model, config, starts=[aligned]))

    def stage(people, device):
        here = replace(config)
        object.__setattr__(here, "device", device)  # no device that a user may choose
        return fit_people([[photo]] * people, model, here, starts=[begun] * people)

    return stage


def counted(run):
    """What the second step asks of the device: the first one computes what is kept."""
    next(run)
    with Operators() as operators:
        turn = next(run)
    return operators, turn[0].steps[0].losses


def test_a_step_waits_once_and_launches_no_more_for_more_faces(joint):
    with pretended_gpu() as device:
        one, two, three = (counted(joint(people, device)) for people in (1, 2, 3))
    for operators, _ in (one, two, three):
        assert operators.waits.total() == 1, operators.waits
        assert "turn.py" in next(iter(operators.waits))  # the transfer of the step's record
    assert one[0].launches <= two[0].launches == three[0].launches
    _, expected = counted(joint(1, "cpu"))
    for _, losses in (one, two, three):
        assert losses == pytest.approx(expected, rel=1e-3)


# --- pictures --------------------------------------------------------------------------------------------------------


def drawn(device):
    """Three views, of which the second fills its picture and the third shows nothing, and their gradients."""
    vertices, faces, uv = two_eggs(3)
    cameras = torch.stack([orbit_camera(0.4, 0.1), frontal_camera(), frontal_camera()])
    cameras[1, 6] *= 4
    cameras[2, 3] += 2000.0
    inputs = [vertices.expand(3, -1, -1), smooth_texture(32).expand(3, -1, -1, -1), cameras]
    inputs = [tensor.clone().to(device).requires_grad_() for tensor in [*inputs, frontal_light().expand(3, -1)]]
    faces, uv = faces.to(device), uv.to(device)
    rendering = render(inputs[0], faces, uv, *inputs[1:], 48)
    weight = torch.linspace(0.2, 1.0, 48).to(device)
    total = (rendering.image.square().sum(-1) * weight).sum() + (rendering.alpha * weight).sum()
    gradients = torch.autograd.grad(total, inputs)
    pictures = (rendering.image, rendering.alpha, rendering.unlit, rendering.normals, rendering.shaded_geometry)
    return [tensor.detach().cpu() for tensor in (*pictures, *gradients)]


def test_pictures_and_gradients_are_those_of_the_cpu():
    with forward_mode():  # plain torch
        expected = drawn("cpu")
    with pretended_gpu() as device:
        found = drawn(device)
    assert [float(image.std()) > 0 for image in expected[0]] == [True, True, False]
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6 * float(theirs.abs().max()))


@pytest.mark.parametrize(("module", "room"), [(rasterizer_torch, "ROOM"), (antialias, "CROSSED"), (antialias, "SHOWN")])
def test_a_picture_that_has_no_room_is_not_finite(module, room, monkeypatch):
    monkeypatch.setattr(module, room, 1)
    with pretended_gpu() as device:
        assert not drawn(device)[0].isfinite().all()
    assert drawn("cpu")[0].isfinite().all()
