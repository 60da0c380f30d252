"""Landmarks from FAN, from dlib and from files: their conventions, their missing parts, and a fit on 68 points."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganfit_nb import FaceModel, FitConfig, GanfitError, Photo, fit
from ganfit_nb.assets import asset_path
from ganfit_nb.assets import registry as asset_registry
from ganfit_nb.commands.cli import main
from ganfit_nb.evaluation.known_face import known_face, picture_of, shape_error
from ganfit_nb.files.fingerprint import sha256_of
from ganfit_nb.photos import dlib_landmarks
from ganfit_nb.photos.detectors import load_detector
from ganfit_nb.photos.landmark_file import LandmarkFile, read_landmarks
from ganfit_nb.photos.landmarks import LandmarkDetector, MediaPipeDetector

PORTRAIT = asset_path("astronaut.png")


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(PORTRAIT).convert("RGB"))).float() / 255


@pytest.fixture(scope="module")
def points(image) -> torch.Tensor:
    return MediaPipeDetector()(image)[0].landmarks


@pytest.fixture
def nowhere(tmp_path, monkeypatch) -> Path:
    """A machine on which nothing was downloaded."""
    monkeypatch.setenv("GANFIT_HOME", str(tmp_path / "ganfit"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(dlib_landmarks.importlib.util, "find_spec", lambda name: None)
    return tmp_path


def write_pts(path: Path, points: torch.Tensor) -> Path:
    lines = "\n".join(f"{x:.4f} {y:.4f}" for x, y in (points + 0.5).tolist())
    path.write_text(f"version: 1\nn_points: 68\n{{\n{lines}\n}}\n")
    return path


def write_json(path: Path, points: torch.Tensor) -> Path:
    path.write_text(json.dumps({"landmarks": points.tolist()}))
    return path


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "write"), [("face.pts", write_pts), ("face.json", write_json)])
def test_points_from_a_file(tmp_path, points, name, write):
    torch.testing.assert_close(read_landmarks(write(tmp_path / name, points)), points, atol=1e-3, rtol=0)
    photo = Photo.open(PORTRAIT, load_detector(str(tmp_path / name)))
    assert photo.dense is None
    automatic = Photo.open(PORTRAIT)
    eyes = automatic.landmarks[45] - automatic.landmarks[36]
    assert float((photo.landmarks - automatic.landmarks).norm(dim=1).max() / eyes.norm()) < 0.1  # aligned alike


def test_a_bare_list_is_json_too(tmp_path, points):
    (tmp_path / "list.json").write_text(json.dumps(points.tolist()))
    torch.testing.assert_close(read_landmarks(tmp_path / "list.json"), points)


@pytest.mark.parametrize(
    "text",
    ["", "hello", "version: 1\n{\n1 2\n3 4\n}", "{\n" + "1 2 3\n" * 68 + "}", "{\n" + "nan 1\n" * 68 + "}", "{ 1 x }"],
)
def test_files_without_68_points_are_refused(tmp_path, text):
    for suffix in (".pts", ".json"):
        (tmp_path / f"bad{suffix}").write_text(text)
        with pytest.raises(GanfitError, match="landmarks"):
            LandmarkFile(tmp_path / f"bad{suffix}")
    with pytest.raises(GanfitError, match="There is no file"):
        LandmarkFile(tmp_path / "absent.pts")


LINE = [[10.0 * k, 5.0 * k + 3.0] for k in range(68)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps([[200.0, 200.0]] * 68), "one place or line"),
        (json.dumps(LINE), "one place or line"),
        (json.dumps([[x, y + 1e-3 * (k % 2)] for k, (x, y) in enumerate(LINE)]), "one place or line"),
        (json.dumps([[200.0 + 1e-4 * k, 200.0 + 1e-4 * (k % 9)] for k in range(68)]), "one place or line"),
        ("[" + ",".join(["[" + "9" * 400 + ",1]"] * 68) + "]", "holds no landmarks"),
        ("[" * 100_000, "holds no landmarks"),
        ('{"landmarks": 5}', "holds no landmarks"),
        ('{"landmarks": {"x": 1}}', "holds no landmarks"),
        ('{"points": []}', "holds no landmarks"),
        ("null", "holds no landmarks"),
        (" " * 2**21, "too large"),
    ],
)
def test_points_that_no_face_has_are_refused_when_they_are_read(tmp_path, content, message):
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(GanfitError, match=message) as caught:
        LandmarkFile(tmp_path / "bad.json")
    assert "\n" not in str(caught.value)
    (tmp_path / "bad.pts").write_bytes(b"\xff\xfe{ 1 2 }")
    with pytest.raises(GanfitError, match="holds no landmarks"):
        LandmarkFile(tmp_path / "bad.pts")


def test_points_of_another_picture_are_refused(tmp_path, points):
    with pytest.raises(GanfitError, match="outside the photo"):
        Photo.open(PORTRAIT, LandmarkFile(write_pts(tmp_path / "far.pts", points + 2000)))


def test_a_known_face_is_found_again_with_points_by_hand(tmp_path):
    """A known face, from its true 68 points alone."""
    model = FaceModel.default()
    truth = known_face(model, 7, 7)
    marks = model.landmarks(model.vertices(truth), truth.camera, 256)
    detector = LandmarkFile(write_pts(tmp_path / "face.pts", marks))
    *_, last = fit(Photo.from_image(picture_of(model, truth, 256), detector), model, FitConfig(steps=20, size=96))
    error = partial(shape_error, model.morphable, truth=truth.identity)
    assert error(last.parameters.identity) < 0.8 * error(model.mean_parameters().identity)


def test_one_file_belongs_to_one_photo(tmp_path, points, capsys):
    file = write_pts(tmp_path / "face.pts", points)
    arguments = ["fit", str(PORTRAIT), "other.png", "--landmarks", str(file), "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    assert "one photo" in capsys.readouterr().err


def test_a_photo_without_a_face_names_the_way_out(tmp_path, capsys):
    Image.new("RGB", (300, 300), "gray").save(tmp_path / "grey.png")
    assert main(["fit", str(tmp_path / "grey.png"), "--out", str(tmp_path / "out")]) == 1
    assert "--landmarks" in capsys.readouterr().err


# --- dlib ------------------------------------------------------------------------------------------------------------


def test_dlib_without_its_weights_says_where_they_belong(nowhere):
    pytest.importorskip("dlib")
    with pytest.raises(GanfitError) as error:
        load_detector("dlib")
    for word in ("shape_predictor_68_face_landmarks.dat", str(nowhere / "ganfit"), "GANFIT_HOME", "assets download"):
        assert word in str(error.value)
    (nowhere / "ganfit").mkdir()
    (nowhere / "ganfit" / "shape_predictor_68_face_landmarks.dat").write_bytes(b"no")
    with pytest.raises(GanfitError, match="damaged"):
        load_detector("dlib")


def test_dlib_sees_what_mediapipe_sees(image, points):
    """Where its weights are: inside the face both agree to a few per cent of the eye distance."""
    pytest.importorskip("dlib")
    try:
        detector = load_detector("dlib")
    except GanfitError:
        pytest.skip("dlib's 68-point weights are not here")
    assert isinstance(detector, LandmarkDetector)
    found = detector(image)
    eyes = (points[45] - points[36]).norm()
    assert float((found[0].landmarks[27:] - points[27:]).norm(dim=1).mean() / eyes) < 0.08
    assert detector(torch.full((200, 200, 3), 0.5)) == []
    model = FaceModel.default()
    truth = known_face(model, 7, 7)
    *_, last = fit(Photo.from_image(picture_of(model, truth, 256), detector), model, FitConfig(steps=20, size=96))
    error = partial(shape_error, model.morphable, truth=truth.identity)
    assert error(last.parameters.identity) < 0.9 * error(model.mean_parameters().identity)


# --- FAN -------------------------------------------------------------------------------------------------------------


def test_fan_without_its_package_or_weights_says_what_to_do(nowhere, monkeypatch):
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "face_alignment", None)
        with pytest.raises(GanfitError, match="pip install"):
            load_detector("fan")
    pytest.importorskip("face_alignment")
    with pytest.raises(GanfitError) as error:
        load_detector("fan")
    for word in ("2DFAN4", "s3fd", str(nowhere / "torch"), "TORCH_HOME", "ganfit assets download fan"):
        assert word in str(error.value)
    for path in (asset.path for asset in asset_registry.groups()["fan"]):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no weights")
    with pytest.raises(GanfitError, match="damaged"):
        load_detector("fan")


def test_fan_runs_from_the_cache(nowhere, image, monkeypatch):
    """With random weights in the cache: the package is driven rightly, whatever the points are worth."""
    face_alignment = pytest.importorskip("face_alignment")
    from face_alignment.detection.sfd.net_s3fd import s3fd
    from face_alignment.models import FAN

    assets = asset_registry.groups()["fan"]
    assets[0].path.parent.mkdir(parents=True)
    for asset, network in zip(assets, (FAN(4), s3fd()), strict=True):
        torch.save(network.state_dict(), asset.path)
    known = tuple(replace(asset, sha256=sha256_of(asset.path)) for asset in assets)
    monkeypatch.setattr(asset_registry, "DOWNLOADS", known)
    box = np.array([170.0, 60.0, 280.0, 180.0, 0.9])  # in double precision, as S³FD gives them
    smaller = np.array([10.0, 10.0, 60.0, 60.0, 0.8])
    monkeypatch.setattr(
        face_alignment.detection.sfd.sfd_detector.SFDDetector, "detect_from_image", lambda self, image: [smaller, box]
    )
    detector = load_detector("fan")
    faces = detector(image)
    assert [tuple(face.landmarks.shape) for face in faces] == [(68, 2), (68, 2)]
    assert faces[0].box.tolist() == box[:4].tolist()
    assert faces[0].dense is None
    inside = (faces[0].landmarks - torch.tensor([225.0, 105.0])).abs()
    assert float(inside.max()) < 150  # within FAN's crop around the box
    monkeypatch.setattr(
        face_alignment.detection.sfd.sfd_detector.SFDDetector, "detect_from_image", lambda self, image: []
    )
    assert detector(image) == []


def test_an_unknown_detector_is_one_sentence(tmp_path, capsys):
    assert main(["fit", "--landmarks", "magic", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
