"""Every kind of file, the alignment, and what cannot be used."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from ganfit_nb.assets import asset_path
from ganfit_nb.errors import GanfitError
from ganfit_nb.photos.landmarks import IBUG_68, DetectedFace
from ganfit_nb.photos.photo import Photo, affine_camera, alignment, canonical_points, default_detector, roll_of
from ganfit_nb.renderer.camera import CROP_SIDE
from ganfit_nb.warp import scale_of, transform_points

ASTRONAUT = asset_path("astronaut.png")


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    return Image.open(ASTRONAUT).convert("RGB")


@pytest.fixture(scope="module")
def photo() -> Photo:
    return Photo.open(ASTRONAUT, size=256)


def mean_difference(a: Photo, b: Photo) -> float:
    """Mean grey levels between two aligned images, where both show the photo."""
    both = (a.inside * b.inside)[..., None]
    return float(((a.image - b.image).abs() * both).sum() / (3 * both.sum())) * 255


def sixteen_bit_grey(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 257)


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "bmp", "tif", "gif"])
def test_file_formats(tmp_path: Path, portrait: Image.Image, photo: Photo, extension: str) -> None:
    path = tmp_path / f"portrait.{extension}"
    portrait.save(path)
    assert mean_difference(Photo.open(path, size=256), photo) < 6


@pytest.mark.parametrize("mode", ["L", "P", "LA", "RGBA", "CMYK", "16-bit"])
def test_modes(tmp_path: Path, portrait: Image.Image, photo: Photo, mode: str) -> None:
    image = sixteen_bit_grey(portrait) if mode == "16-bit" else portrait.convert(mode)
    path = tmp_path / ("portrait.jpg" if mode == "CMYK" else "portrait.png")
    image.save(path)
    opened = Photo.open(path, size=256)
    grey = mode in ("L", "LA", "16-bit")
    expected = (
        Photo.from_image(torch.from_numpy(np.array(portrait.convert("L").convert("RGB"))), size=256) if grey else photo
    )
    assert mean_difference(opened, expected) < (8 if mode == "P" else 3)


def test_transparent_parts_become_white(tmp_path: Path, portrait: Image.Image) -> None:
    alpha = Image.new("L", portrait.size, 0)
    alpha.paste(255, (100, 20, 350, 400))
    rgba = portrait.copy()
    rgba.putalpha(alpha)
    rgba.save(tmp_path / "portrait.png")
    opened = Photo.open(tmp_path / "portrait.png")
    assert (opened.original[:20] == 255).all()
    assert (opened.original[20:400, 100:350].numpy() == np.array(portrait)[20:400, 100:350]).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, portrait: Image.Image, orientation: int) -> None:
    """A file stored turned or mirrored, with the tag that says so, is the upright photo."""
    T = Image.Transpose
    stored_as = {
        2: T.FLIP_LEFT_RIGHT,
        3: T.ROTATE_180,
        4: T.FLIP_TOP_BOTTOM,
        5: T.TRANSPOSE,
        6: T.ROTATE_90,
        7: T.TRANSVERSE,
        8: T.ROTATE_270,
    }
    stored = portrait.crop((100, 0, 400, 320)).copy()
    expected = np.array(stored)
    if orientation in stored_as:
        stored = stored.transpose(stored_as[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "portrait.png", exif=exif)
    assert (Photo.open(tmp_path / "portrait.png", size=64).original.numpy() == expected).all()


@pytest.mark.parametrize("change", ["turned", "scaled", "padded"])
def test_the_aligned_image_does_not_depend_on_the_framing(portrait: Image.Image, photo: Photo, change: str) -> None:
    changed = {
        "turned": portrait.rotate(20, resample=Image.Resampling.BICUBIC, expand=True),
        "scaled": portrait.resize((768, 768), Image.Resampling.LANCZOS),
        "padded": ImageOps.expand(portrait, 60, "white"),
    }[change]
    other = Photo.from_image(torch.from_numpy(np.array(changed)), size=256)
    eyes = float((photo.landmarks[45] - photo.landmarks[36]).norm())
    assert float((other.landmarks - photo.landmarks).norm(dim=1).mean()) < 0.01 * eyes
    inner = slice(64, 192)  # the turned photo has black corners, the padded one a border
    assert float((other.image - photo.image)[inner, inner].abs().mean()) * 255 < 4


def test_a_mirrored_photo_gives_the_mirrored_image(portrait: Image.Image, photo: Photo) -> None:
    mirrored = Photo.from_image(torch.from_numpy(np.array(ImageOps.mirror(portrait))), size=256)
    inner = slice(64, 192)
    assert (
        float((mirrored.image.flip(1) - photo.image)[inner, inner].abs().mean()) * 255 < 8
    )  # 1 % of the eye distance apart


def test_to_original_takes_the_landmarks_back_to_the_detections(portrait: Image.Image, photo: Photo) -> None:
    (face,) = default_detector()(photo.original.float() / 255)
    back = transform_points(photo.to_original, photo.landmarks)
    torch.testing.assert_close(back, face.landmarks, atol=0.01, rtol=0)
    assert photo.dense is not None
    assert face.dense is not None
    torch.testing.assert_close(
        transform_points(photo.to_original, photo.dense[:, :2]), face.dense[:, :2], atol=0.01, rtol=0
    )
    torch.testing.assert_close(photo.dense[:, 2] * scale_of(photo.to_original), face.dense[:, 2], atol=0.01, rtol=0)


def test_the_aligned_face_is_upright_and_in_its_place(portrait: Image.Image) -> None:
    """Found anew in the aligned image, it has no roll, the template's scale and the template's place."""
    turned = Photo.from_image(torch.from_numpy(np.array(portrait.rotate(30, Image.Resampling.BICUBIC))))
    (face,) = default_detector()(turned.image)
    assert face.dense is not None
    camera = affine_camera(canonical_points(), face.dense[:468, :2])
    assert abs(math.degrees(roll_of(camera))) < 0.7
    again = alignment(face, turned.size)
    identity = torch.eye(2, 3, dtype=torch.float64)
    torch.testing.assert_close(again[:, :2], identity[:, :2], atol=0.015, rtol=0)
    middle = torch.tensor([[256.0, 256.0]])
    torch.testing.assert_close(transform_points(again, middle), middle, atol=2.0, rtol=0)


@pytest.mark.parametrize("dense", [True, False])
def test_alignment_recovers_a_known_camera(dense: bool) -> None:
    """The template itself, seen by an orthographic camera with yaw, pitch and roll."""
    yaw, pitch, roll, px_per_mm = 0.4, -0.2, 0.3, 1.7
    turn_y = torch.tensor([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
    turn_x = torch.tensor([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
    upright = (canonical_points() @ turn_y.T @ turn_x.T)[:, :2] * torch.tensor([1.0, -1.0])  # y down
    spin = torch.tensor([[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]])
    xy = px_per_mm * upright @ spin.T + torch.tensor([300.0, 200.0])
    points = torch.cat([torch.cat([xy, torch.zeros(10, 2)]), torch.zeros(478, 1)], 1)
    face = DetectedFace(xy[IBUG_68], points if dense else None, torch.zeros(4), 1.0)
    transform = alignment(face, 560)
    assert scale_of(transform) == pytest.approx(px_per_mm * CROP_SIDE / 560, rel=1e-4)
    assert math.atan2(float(transform[1, 0]), float(transform[0, 0])) == pytest.approx(roll, abs=1e-4)
    centroid = transform_points(transform, torch.tensor([[280.0, 0.52 * 560]]))
    torch.testing.assert_close(centroid, xy.mean(0, keepdim=True), atol=0.05, rtol=0)


def test_at_resamples_image_landmarks_and_transform(photo: Photo) -> None:
    large = photo.at(512)
    assert large.image.shape == (512, 512, 3)
    torch.testing.assert_close(large.landmarks, photo.landmarks * 2)
    torch.testing.assert_close(
        transform_points(large.to_original, large.landmarks), transform_points(photo.to_original, photo.landmarks)
    )
    direct = Photo.open(ASTRONAUT, size=512)
    torch.testing.assert_close(large.image, direct.image, atol=2e-3, rtol=0)


def test_shrinking_is_antialiased() -> None:
    """White noise shrunk k times has a k times smaller deviation; picked pixels would keep theirs."""
    xy = 2.5 * canonical_points()[:, :2] * torch.tensor([1.0, -1.0]) + 400
    face = DetectedFace(xy[IBUG_68], None, torch.zeros(4), 1.0)
    noise = torch.rand(800, 800, 3, generator=torch.Generator().manual_seed(0))
    photo = Photo.from_image(noise, lambda image: [face], size=700)
    small = photo.at(70)
    deviation, shrinking = float(noise.std()), scale_of(small.to_original)
    assert shrinking == pytest.approx(10, rel=0.05)
    assert float(small.image.std()) < 1.2 * deviation / shrinking


def test_a_floating_point_image_is_the_same_photo(portrait: Image.Image, photo: Photo) -> None:
    values = torch.from_numpy(np.array(portrait))
    other = Photo.from_image(values.float() / 255, size=256, source="rendering")
    assert torch.equal(other.image, photo.image)
    assert other.source == "rendering"


def test_inside_marks_what_the_photo_shows(portrait: Image.Image) -> None:
    cropped = Photo.from_image(torch.from_numpy(np.array(portrait.crop((0, 60, 512, 512)))), size=128)
    assert cropped.inside[:16].sum() == 0
    assert cropped.inside[60:].mean() > 0.95
    rows = cropped.image[:5, 64]
    torch.testing.assert_close(rows, rows[:1].expand(5, 3), atol=0.05, rtol=0)  # the edge, replicated


def test_notes(portrait: Image.Image) -> None:
    head = portrait.crop((130, 10, 330, 210))
    group = Image.new("RGB", (350, 200), "grey")
    group.paste(head.resize((140, 140)), (0, 30))
    group.paste(head, (150, 0))
    photo = Photo.from_image(torch.from_numpy(np.array(group)), size=64)
    assert photo.faces_found == 2
    assert any("2 faces were found; the largest is used" in note for note in photo.notes)
    small = Photo.from_image(torch.from_numpy(np.array(portrait.resize((256, 256)))), size=64)
    assert any("face is small" in note for note in small.notes)


def test_a_large_photo_is_reduced(tmp_path: Path, portrait: Image.Image) -> None:
    portrait.resize((6000, 4500)).save(tmp_path / "large.jpg", quality=50)
    photo = Photo.open(tmp_path / "large.jpg", size=64)
    assert max(photo.original.shape) <= 4096
    assert any("6000×4500" in note for note in photo.notes)


def write_unusable(kind: str, folder: Path) -> Path:
    path = folder / "photo.png"
    if kind == "directory":
        return folder
    if kind == "text":
        path.write_text("not an image")
    elif kind == "empty":
        path.touch()
    elif kind == "truncated":
        path.write_bytes(ASTRONAUT.read_bytes()[:200_000])
    elif kind == "truncated jpeg":
        path = folder / "photo.jpg"
        with Image.open(ASTRONAUT) as image:
            image.convert("RGB").save(path)
        path.write_bytes(path.read_bytes()[:9_000])
    elif kind == "1×1":
        Image.new("RGB", (1, 1)).save(path)
    elif kind == "20,000 wide":
        Image.new("L", (20_000, 400)).save(path)
    elif kind == "bomb":
        Image.new("1", (16_000, 12_000)).save(path)
    elif kind == "no face":
        Image.new("RGB", (200, 200), "grey").save(path)
    elif kind == "floating point":
        path = folder / "photo.tif"
        Image.new("F", (200, 200)).save(path)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "There is no file"),
        ("directory", "is a directory"),
        ("text", "is not an image"),
        ("empty", "is not an image"),
        ("truncated", "damaged or incomplete"),
        ("truncated jpeg", "damaged or incomplete"),
        ("1×1", "has only 1×1 pixels"),
        ("20,000 wide", "too large"),
        ("bomb", "too large"),
        ("no face", "No face was found"),
        ("floating point", "has floating-point or Lab pixels"),
    ],
)
def test_unusable_input_is_refused_in_one_sentence(tmp_path: Path, kind: str, message: str) -> None:
    with pytest.raises(GanfitError, match=message) as caught:
        Photo.open(write_unusable(kind, tmp_path))
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
