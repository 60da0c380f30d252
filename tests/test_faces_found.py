"""Pictures as callers have them, which of their faces is meant, and what is no picture."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from ganfit_nb import GanfitError, Photo
from ganfit_nb.assets import asset_path
from ganfit_nb.commands.cli import main
from ganfit_nb.photos.faces_found import chosen_face, faces_found_sheet
from ganfit_nb.photos.landmarks import DetectedFace
from ganfit_nb.photos.pixels import rgb_bytes

PORTRAIT = Image.open(asset_path("astronaut.png")).convert("RGB")
HEAD = PORTRAIT.crop((130, 10, 330, 210))


@pytest.fixture(scope="module")
def group():
    """The same face twice: the smaller one at the left."""
    picture = Image.new("RGB", (400, 220), "grey")
    picture.paste(HEAD.resize((140, 140)), (10, 40))
    picture.paste(HEAD, (190, 10))
    return picture


# --- forms -----------------------------------------------------------------------------------------------------------


def forms(picture):
    """The same picture, as callers may have it."""
    array = np.array(picture)
    return {
        "PIL": picture,
        "NumPy bytes": array,
        "NumPy floats": array / 255,
        "torch bytes": torch.from_numpy(array),
        "torch floats": torch.from_numpy(array).float() / 255,
        "a gradient's": (torch.from_numpy(array).float() / 255).requires_grad_(),
        "read only": np.broadcast_to(array, array.shape),
        "turned": np.ascontiguousarray(array[::-1])[::-1],
        "opaque": picture.convert("RGBA"),
    }


def test_a_picture_is_the_same_in_every_form():
    expected = torch.from_numpy(np.array(PORTRAIT))
    for name, picture in forms(PORTRAIT).items():
        assert torch.equal(rgb_bytes(picture), expected), name


def test_grey_and_transparent_pictures_are_taken():
    grey = np.array(PORTRAIT.convert("L"))
    expected = torch.from_numpy(grey)[..., None].expand(-1, -1, 3)
    for picture in (PORTRAIT.convert("L"), grey, grey[..., None], torch.from_numpy(grey / 255)):
        assert torch.equal(rgb_bytes(picture), expected)
    clear = np.dstack([np.array(PORTRAIT), np.zeros(grey.shape, np.uint8)])
    assert (rgb_bytes(clear) == 255).all()
    assert Photo.from_image(grey, size=64).faces_found == 1


def test_a_picture_of_pillow_is_as_its_file(tmp_path):
    """16 bits are scaled, what is stored turned is upright; a file that is cut off is one sentence."""
    grey = np.array(PORTRAIT.convert("L"))
    assert torch.equal(rgb_bytes(Image.fromarray(grey * np.uint16(257))), rgb_bytes(grey))
    exif = Image.Exif()
    exif[0x0112] = 6
    PORTRAIT.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as stored:
        assert torch.equal(rgb_bytes(stored), rgb_bytes(PORTRAIT))
    (tmp_path / "cut.png").write_bytes((tmp_path / "turned.png").read_bytes()[:90_000])
    with Image.open(tmp_path / "cut.png") as cut, pytest.raises(GanfitError, match="cannot be decoded"):
        rgb_bytes(cut)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        ("portrait.jpg", "must be a torch tensor, a NumPy array or a PIL image"),
        (None, "must be a torch tensor"),
        (np.zeros((64, 64, 2), np.uint8), "no known channels"),
        (np.zeros((3, 64, 64), np.uint8), "no known channels"),
        (np.zeros((64, 64, 3), np.int64), "may mean anything"),
        (np.full((64, 64, 3), np.nan), "not finite"),
        (np.full((64, 64, 3), 200.0), "divide them by 255"),
        (np.linspace(-1, 1, 64 * 64 * 3).reshape(64, 64, 3), "values down to -1"),
        (Image.new("F", (64, 64)), "floating-point"),
        (Image.new("LA", (64, 64)).convert("La"), "odd kind"),
        (np.zeros((0, 64, 3), np.uint8), "32 to 16384 pixels a side"),
        (np.zeros((8, 8, 3), np.uint8), "32 to 16384 pixels a side"),
        (np.zeros(64, np.uint8), "must be a torch tensor"),
    ],
)
def test_what_is_no_picture_is_one_sentence(picture, message):
    with pytest.raises(GanfitError, match=message) as caught:
        Photo.from_image(picture)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, -3, 8, 10**6])
def test_sizes_that_make_no_sense_are_one_sentence(size):
    photo = Photo.from_image(PORTRAIT, size=64)
    for make in (photo.at, lambda size: Photo.from_image(PORTRAIT, size=size)):
        with pytest.raises(GanfitError, match="size must be a whole number from 16 to 4096"):
            make(size)


@pytest.mark.parametrize(
    ("scale", "offset"), [(0, 200), (1e12, 0), (1e30, 0), (100, 1e9), (math.nan, 0), (math.inf, 0)]
)
def test_landmarks_that_no_face_has_are_no_face(scale, offset):
    """Whatever a detector says: an alignment to one place, or to points far away, would want petabytes."""
    points = torch.rand(68, 2) * scale + offset
    box = torch.tensor([0.0, 0, 9, 9])
    dense = torch.cat([points, torch.zeros(410, 2)])[:, [0, 1, 1]]
    sound = DetectedFace(torch.rand(68, 2) * 200, dense, box, 1.0)
    for face in (DetectedFace(points, None, box, 1.0), *([sound] if scale != 100 and scale else [])):
        with pytest.raises(GanfitError, match="No face was found"):
            Photo.from_image(PORTRAIT, lambda image, face=face: [face])


# --- which face ------------------------------------------------------------------------------------------------------


def test_a_face_is_chosen_by_its_number_or_a_point_in_it(group):
    largest, second = (Photo.from_image(group, size=96, face=face) for face in (1, 2))
    assert largest.faces_found == second.faces_found == 2
    assert float(second.to_original[0, 2]) < float(largest.to_original[0, 2]) - 100
    pointed = Photo.from_image(group, size=96, face=(80.0, 110.0))
    assert torch.equal(pointed.image, second.image)
    assert any("the largest is used" in note for note in Photo.from_image(group, size=96).notes)
    assert not any("the largest is used" in note for note in (*second.notes, *pointed.notes))


@pytest.mark.parametrize("face", [0, 3, -1, (5.0, 5.0), (1e9, 0.0)])
def test_a_face_that_is_not_there_is_one_sentence_that_tells_which_are(group, face):
    with pytest.raises(GanfitError, match=r"no face (number|at).*these were found: 1 around \(\d+, \d+\), 2 around"):
        Photo.from_image(group, face=face)


def test_of_faces_within_each_other_a_point_means_the_smaller():
    large, small = (
        DetectedFace(torch.zeros(68, 2), None, torch.tensor(box), 1.0) for box in ([0.0, 0, 90, 90], [20.0, 20, 40, 40])
    )
    assert chosen_face([large, small], (30.0, 30.0), "x") is small
    assert chosen_face([large, small], (60.0, 60.0), "x") is large


def test_the_sheet_shows_a_numbered_box_around_each_face(group):
    photo = Photo.from_image(group, size=96)
    sheet = np.asarray(faces_found_sheet(photo.original, photo.boxes)).astype(int)
    yellow = (np.abs(sheet - (255, 212, 0)).max(axis=2) < 40).sum(axis=0)
    assert sheet.shape == (220, 400, 3)
    assert yellow[:170].sum() > 200
    assert yellow[170:].sum() > 200
    large = faces_found_sheet(torch.zeros(3000, 4000, 3, dtype=torch.uint8), torch.tensor([[0.0, 0, 400, 400]]))
    assert max(large.size) == 1600


def test_the_command_takes_the_face_and_leaves_a_picture_of_all(group, tmp_path, capsys):
    group.save(tmp_path / "group.png")
    command = ["fit", str(tmp_path / "group.png"), "--steps", "0", "--out", str(tmp_path / "out"), "--face"]
    assert main([*command, "2"]) == 0
    result = tmp_path / "out" / "group"
    assert json.loads((result / "fit.json").read_text())["face"] == 2
    with Image.open(result / "faces.png") as sheet:
        assert sheet.size == (400, 220)
    capsys.readouterr()
    for face, words in (("5", "no face number 5"), ("9999,1", "no face at (9999, 1)")):
        assert main([*command, face]) == 1
        assert words in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*command, "left"])
    assert "a number, or x,y in pixels" in capsys.readouterr().err
    assert main([*command[:2], str(tmp_path / "group.png"), *command[2:], "1"]) == 1
