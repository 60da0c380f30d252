"""What textures are judged by: each measure must tell good from bad on pictures whose answer is known."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.face.texture_errors import texture_errors
from ganfit_nb.training.texture_gan.coherence import Coherence, MapFigures, map_figures
from ganfit_nb.training.texture_gan.sliced_wasserstein import sliced_wasserstein


def blurred(pictures: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(pictures.permute(0, 3, 1, 2), 3, stride=1, padding=1).permute(0, 2, 3, 1)


def test_errors_of_a_blurred_a_shifted_and_a_lighter_map() -> None:
    target, weight = torch.rand(64, 64, 3), torch.ones(64, 64)
    same = texture_errors(target, target, weight)
    assert (same.value, same.gradient, same.kept, same.placed) == (0.0, 0.0, 1.0, 1.0)
    blur = texture_errors(0.6 * target + 0.4 * blurred(target[None])[0], target, weight)
    assert blur.kept < 0.6
    assert 0 < blur.placed < 1
    shifted = texture_errors(target.roll(1, 0), target, weight)
    assert shifted.kept == pytest.approx(1.0, abs=0.01)  # as sharp,
    assert shifted.placed < -0.5  # but in the wrong place
    lighter = texture_errors(target + 0.1, target, weight)
    assert lighter.value == pytest.approx(0.1, abs=1e-5)
    assert lighter.gradient < 1e-5


def test_errors_look_where_the_weight_is() -> None:
    target, weight = torch.rand(32, 32, 3), torch.zeros(32, 32)
    weight[:, :16] = 1.0
    wrong = target.clone()
    wrong[:, 20:] = 0.0
    assert texture_errors(wrong, target, weight).value == 0.0


def test_sliced_wasserstein_tells_blur_at_the_resolution_it_touches() -> None:
    random = torch.Generator().manual_seed(0)
    smooth = F.interpolate(torch.rand(96, 3, 16, 16, generator=random), size=(64, 64), mode="bicubic")
    pictures = (smooth + 0.1 * torch.randn(96, 3, 64, 64, generator=random)).permute(0, 2, 3, 1)
    a, b = pictures[:48], pictures[48:]
    floor = sliced_wasserstein(a, b)
    assert list(floor) == [64, 32, 16]
    blur = sliced_wasserstein(a, blurred(b))
    assert blur[64] > 2.0 * floor[64]
    assert blur[16] < 1.5 * floor[16]
    assert sliced_wasserstein(a, a)[64] < 1e-3


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return FaceModel.default()


def test_what_is_no_face_is_not_coherent(model: FaceModel) -> None:
    weight = torch.ones(512, 512)
    random = torch.Generator().manual_seed(1)
    maps = [model.texture(0.5 * torch.randn(model.texture.dim, generator=random)) for _ in range(6)]
    figures = [map_figures(model, picture, weight) for picture in maps]
    limits = Coherence.of(figures)
    assert all(limits.faults(one) == [] for one in figures)
    mean = model.texture(torch.zeros(model.texture.dim))
    blank = torch.ones_like(mean) * mean.mean(dim=(0, 1))
    half = torch.cat([mean[:, :256], 0.4 * mean[:, 256:]], dim=1)
    noise = (mean + 0.3 * torch.randn(mean.shape, generator=random)).clamp(0, 1)
    green = mean * torch.tensor([0.3, 1.2, 0.3])
    for name, picture in (("detail", blank), ("asymmetry", half), ("detail", noise), ("tone", green)):
        assert name in limits.faults(map_figures(model, picture, weight))


def test_a_face_that_is_not_found_is_a_fault() -> None:
    fine = MapFigures(landmarks=0.03, asymmetry=0.01, detail=0.02, tone=(0.5, 0.4, 0.3))
    limits = Coherence.of([fine, replace(fine, tone=(0.52, 0.4, 0.3))])
    assert limits.faults(replace(fine, landmarks=float("inf"))) == ["landmarks"]
