"""The detector against hand-marked points, known transformations of the photo, and pictures without a face."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from ganfit_nb.assets import asset_path
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.networks.mediapipe import FaceDetection
from ganfit_nb.photos.landmarks import IBUG_68, DetectedFace, MediaPipeDetector, turned
from ganfit_nb.renderer.camera import orbit_camera
from ganfit_nb.warp import fit_similarity, inverse, resample, scale_of, square, transform_points

# What becomes of the 68 points in a mirror.
MIRRORED_68 = [
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1), 45, 44, 43, 42, 47, 46, 39, 38, 37, 36,
    41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
]  # fmt: skip
EYE_DISTANCE = 61.1  # px between the outer corners, in the astronaut's portrait


@pytest.fixture(scope="module")
def detector() -> MediaPipeDetector:
    return MediaPipeDetector()


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    return Image.open(asset_path("astronaut.png")).convert("RGB")


@pytest.fixture(scope="module")
def reference(detector: MediaPipeDetector, portrait: Image.Image) -> DetectedFace:
    (face,) = detector(pixels(portrait))
    return face


def pixels(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).float() / 255


def error(a: Tensor, b: Tensor) -> float:
    """Mean distance in units of the eye distance."""
    return float((a - b).norm(dim=1).mean()) / EYE_DISTANCE


def test_marked_points_are_found(reference: DetectedFace) -> None:
    assert reference.dense is not None
    irises = reference.dense[[468, 473], :2]
    assert error(irises, torch.tensor([[203.3, 100.8], [247.0, 103.7]])) < 0.015
    mouth_corners_and_inner_eye_corners = reference.landmarks[[48, 54, 39, 42]]
    marked = torch.tensor([[202.8, 139.6], [245.0, 141.0], [213.5, 104.0], [236.5, 105.2]])
    assert error(mouth_corners_and_inner_eye_corners, marked) < 0.02


def test_the_68_are_a_subset_of_the_dense_points(reference: DetectedFace) -> None:
    assert reference.dense is not None
    torch.testing.assert_close(reference.landmarks, reference.dense[IBUG_68, :2])
    assert len(set(IBUG_68)) == 68
    inside = (reference.landmarks >= reference.box[:2]) & (reference.landmarks <= reference.box[2:])
    assert inside.all()


@pytest.mark.parametrize("degrees", [20, 90, 180, 230, 270])
def test_a_turned_photo_gives_turned_points(
    detector: MediaPipeDetector, portrait: Image.Image, reference: DetectedFace, degrees: int
) -> None:
    turned = portrait.rotate(degrees, resample=Image.Resampling.BICUBIC, expand=True)  # counter-clockwise
    (face,) = detector(pixels(turned))
    to_portrait = square((256.0, 256.0), 1.0, math.radians(degrees), 1)
    linear = to_portrait[:, :2].float()
    expected = (reference.landmarks - 256) @ linear + torch.tensor([turned.width / 2, turned.height / 2])
    assert error(face.landmarks, expected) < 0.01


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_scale(detector: MediaPipeDetector, portrait: Image.Image, reference: DetectedFace, scale: float) -> None:
    side = round(512 * scale)
    (face,) = detector(pixels(portrait.resize((side, side), Image.Resampling.LANCZOS)))
    assert error(face.landmarks / scale, reference.landmarks) < 0.012
    assert face.dense is not None
    assert reference.dense is not None
    assert error(face.dense[:, 2:] / scale, reference.dense[:, 2:]) < 0.03


def test_mirror(detector: MediaPipeDetector, portrait: Image.Image, reference: DetectedFace) -> None:
    (face,) = detector(pixels(ImageOps.mirror(portrait)))
    mirrored = torch.stack([512 - face.landmarks[:, 0], face.landmarks[:, 1]], 1)[MIRRORED_68]
    assert error(mirrored, reference.landmarks) < 0.02


def test_a_small_face_in_a_large_photo_is_found(
    detector: MediaPipeDetector, portrait: Image.Image, reference: DetectedFace
) -> None:
    (face,) = detector(pixels(ImageOps.expand(portrait, 400, (90, 120, 150))))
    assert error(face.landmarks - 400, reference.landmarks) < 0.012


def test_several_faces_come_largest_first(detector: MediaPipeDetector, portrait: Image.Image) -> None:
    head = portrait.crop((130, 10, 330, 210))
    group = Image.new("RGB", (350, 200), "grey")
    group.paste(head.resize((140, 140)), (0, 30))
    group.paste(head, (150, 0))
    first, second = detector(pixels(group))
    assert first.box[0] > 150
    assert second.box[2] < 140


def test_in_a_group_smaller_faces_are_found_beside_larger_ones(
    detector: MediaPipeDetector, portrait: Image.Image
) -> None:
    head, sides = portrait.crop((130, 10, 330, 210)), (200, 170, 130, 100, 90, 80)
    group = Image.new("RGB", (900, 450), "grey")
    for k, side in enumerate(sides):
        group.paste(head.resize((side, side)), (300 * (k % 3) + 20, 220 * (k // 3) + 10))
    faces = detector(pixels(group))
    places = [(int(face.box[0]) // 300, int(face.box[1]) // 220) for face in faces]
    assert places == [(k % 3, k // 3) for k in range(len(sides))]


def test_a_face_that_turns_aside_is_less_and_less_frontal() -> None:
    model = FaceModel.default()
    views = [orbit_camera(math.radians(yaw), math.radians(10.0)) for yaw in (0, 10, -20, 30, -45)]
    found = [turned(model.landmarks(model.morphable.mean, camera, 256)) for camera in views]
    assert found == sorted(found)
    assert found[0] < 0.02
    assert found[-1] > 0.2


@pytest.mark.parametrize("part", ["left", "right", "upper"])
def test_half_a_face_at_the_border_is_found(
    detector: MediaPipeDetector, portrait: Image.Image, reference: DetectedFace, part: str
) -> None:
    x, y = (round(v) for v in reference.landmarks[27:36].mean(0).tolist())  # the nose
    box = {"left": (0, 0, x, 512), "right": (x, 0, 512, 512), "upper": (0, 0, 512, y)}[part]
    (face,) = detector(pixels(portrait.crop(box)))
    assert error(face.landmarks + torch.tensor(box[:2]), reference.landmarks) < 0.15


@pytest.mark.parametrize(("width", "height", "face"), [(1300, 700, 33), (3000, 400, 32)])
def test_faces_down_to_a_hundredth_of_the_picture_are_found(
    detector: MediaPipeDetector, portrait: Image.Image, reference: DetectedFace, width: int, height: int, face: int
) -> None:
    """In noise, as plain surroundings would make it easy."""
    scale = face / float(reference.box[2] - reference.box[0])
    side = round(512 * scale)
    random = np.random.default_rng(0)
    picture = Image.fromarray(random.integers(90, 160, (height, width, 3)).astype(np.uint8))
    picture.paste(portrait.resize((side, side), Image.Resampling.LANCZOS), (width * 3 // 4, height // 3))
    (found,) = detector(pixels(picture))
    points = (found.landmarks - torch.tensor([width * 3 // 4, height // 3])) * 512 / side
    assert error(points, reference.landmarks) < 0.05


@pytest.mark.parametrize("size", [(200, 300), (400, 3000)])
@pytest.mark.parametrize("picture", ["noise", "grey", "stripes", "blots"])
def test_nothing_is_found_where_nothing_is(detector: MediaPipeDetector, picture: str, size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    blots = torch.rand(1, 3, size[0] // 12, size[1] // 12, generator=generator)
    made = {
        "noise": lambda: torch.rand(*size, 3, generator=generator),
        "grey": lambda: torch.full((*size, 3), 0.5),
        "stripes": lambda: (torch.arange(size[1]) // 10 % 2).float()[None, :, None].expand(*size, 3),
        "blots": lambda: F.interpolate(blots, size, mode="bicubic").clamp(0, 1)[0].permute(1, 2, 0),
    }[picture]()
    assert detector(made) == []


def test_detection_network_agrees_with_the_tensorflow_lite_interpreter() -> None:
    """Reference numbers from ai-edge-litert 2.3 on the original .tflite, for a picture made by a formula."""
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    picture = torch.stack([torch.sin(x / 9), torch.cos(y / 7), torch.sin((x + y) / 15)])[None]
    with torch.no_grad():
        outputs = FaceDetection().network(picture)
    expected_scores = torch.tensor([-4.3604, -3.6083, -3.2582, -4.2549, -2.7106, -2.7708])
    torch.testing.assert_close(outputs["classificators"][0, ::150, 0], expected_scores, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(
        outputs["regressors"][0, 400, :6],
        torch.tensor([-0.7627, -2.0542, 29.0905, 29.0902, -5.2444, -7.3578]),
        rtol=1e-4,
        atol=1e-3,
    )


def test_mesh_network_is_differentiable(detector: MediaPipeDetector) -> None:
    network = MediaPipeDetector().mesh.network.double()
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 192, 192, generator=generator, dtype=torch.float64).requires_grad_()
    direction = torch.randn(image.shape, generator=generator, dtype=torch.float64)

    def value(x: Tensor) -> Tensor:
        outputs = network(x)
        return outputs["output_lips"].sum() + outputs["output_left_iris"].sum()

    (gradient,) = torch.autograd.grad(value(image), image)
    step = 1e-6
    with torch.no_grad():
        difference = (value(image + step * direction) - value(image - step * direction)) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), difference, rtol=2e-3, atol=0)  # kinks of ReLU


def test_fit_similarity_recovers_the_transform() -> None:
    generator = torch.Generator().manual_seed(0)
    transform = square((40.0, 70.0), 90.0, 0.7, 150)
    points = 150 * torch.rand(10, 2, generator=generator, dtype=torch.float64)
    moved = transform_points(transform, points)
    torch.testing.assert_close(fit_similarity(points, moved), transform)
    torch.testing.assert_close(transform_points(inverse(transform), moved), points)
    assert scale_of(transform) == pytest.approx(90 / 150)


@pytest.mark.parametrize("side", [64.0, 100.0, 700.0])
def test_resample_shows_a_linear_picture_where_it_is(side: float) -> None:
    """A ramp is its own bilinear interpolation and its own box average: only position and scale can be wrong."""
    y, x = torch.meshgrid(torch.arange(900) + 0.5, torch.arange(900) + 0.5, indexing="ij")
    image = torch.stack([x, y, x + y])[None]
    transform = square((450.0, 430.0), side, 0.3, 50)
    centres = torch.arange(50) + 0.5
    rows, columns = torch.meshgrid(centres, centres, indexing="ij")
    expected = transform_points(transform, torch.stack([columns, rows], -1))
    result = resample(image, transform, 50)[0, :2].permute(1, 2, 0)
    within = ((expected > 20) & (expected < 880)).all(-1)
    torch.testing.assert_close(result[within], expected[within], atol=0.02, rtol=0)
