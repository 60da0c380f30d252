"""The error against a scan of one person, on a scan of our own making whose truth is known."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from ganfit_nb import FaceModel, GanfitError
from ganfit_nb.commands.cli import main
from ganfit_nb.evaluation.known_face import known_face, picture_of
from ganfit_nb.evaluation.scan_error import VARIANTS, Reconstruction, lay_onto
from ganfit_nb.evaluation.scan_judge import ScanJudge
from ganfit_nb.evaluation.scan_report import TITLE, error_map
from ganfit_nb.geometry.surface import Surface
from ganfit_nb.renderer.camera import orbit_camera
from ganfit_nb.results.export import textured_mesh, to_pil

FIT = ["--steps", "1", "--size", "64"]


@pytest.fixture(scope="module")
def model():
    return FaceModel.default()


@pytest.fixture(scope="module")
def person(model):
    known = known_face(model, 3, 3)
    return known.replace(expression=torch.zeros_like(known.expression))


@pytest.fixture(scope="module")
def files(model, person, tmp_path_factory):
    """The person's scan and photo."""
    folder = tmp_path_factory.mktemp("scan")
    mesh = textured_mesh(model, model.vertices(person), model.texture(person.texture))
    mesh.export(folder / "scan.obj")
    to_pil(picture_of(model, person, 256)).save(folder / "photo.png")
    return folder


@pytest.fixture(scope="module")
def surface(files):
    return Surface.read(files / "scan.obj")


@pytest.fixture(scope="module")
def judge(model, surface):
    return ScanJudge(model.morphable, surface, unit=1.0)


@pytest.fixture(scope="module")
def true(judge, person):
    """The errors of the true person."""
    return judge.errors(person.identity)


def means(errors, variant):
    return errors[variant].symmetric.distance.mean, errors[variant].surface.mean


def test_the_true_person_has_no_error_and_others_have_more_the_farther_they_are(judge, person, true):
    near, far = (judge.errors(identity) for identity in (person.identity / 2, torch.zeros_like(person.identity)))
    for variant in VARIANTS:
        for nothing, some, more in zip(*(means(errors, variant) for errors in (true, near, far)), strict=True):
            assert nothing < 0.1
            assert 3 * nothing < some < more
        assert true[variant].surface.covered > 0.8  # the scan has vertices inside the mouth, too
    assert true["rigid"].surface.motion.scale == 1.0
    assert true["similarity"].surface.motion.scale == pytest.approx(1.0, abs=0.01)


def test_the_scans_unit_does_not_matter(model, surface, person):
    other = Surface(surface.vertices * 2.7e-3, surface.faces)
    first, second = (ScanJudge(model.morphable, one) for one in (surface, other))
    assert first.size == pytest.approx(1.0, abs=0.1)
    assert second.size == pytest.approx(first.size / 2.7e-3, rel=1e-4)
    np.testing.assert_allclose(second.scan.surface.vertices, first.scan.surface.vertices, rtol=1e-4, atol=0.01)
    errors = second.errors(person.identity)
    assert max(means(errors, "similarity")) < 0.1
    assert errors["similarity"].surface.motion.scale == pytest.approx(first.size, rel=0.01)


def test_only_what_shows_is_judged(judge, model, surface):
    triangles = judge.scan.surface.faces
    assert len(triangles) < len(surface.faces)
    outside = Reconstruction.of(model.morphable, model.morphable.mean).surface
    assert len(triangles) == pytest.approx(len(outside.faces), rel=0.2)


def test_a_map_of_the_error_covers_the_face_alone(judge, person, true):
    values = error_map(judge, person.identity, true)
    judged = ~np.isnan(values)
    assert values.shape == (len(judge.scan.surface.vertices),)
    assert 0.2 < judged.mean() < 1
    assert np.linalg.norm(judge.scan.surface.vertices[judged] - judge.scan.nose, axis=1).max() <= 80
    assert values[judged].mean() < 0.2


def test_a_face_of_another_unit_is_one_sentence(judge, model):
    huge = Reconstruction.of(model.morphable, model.morphable.mean * 1e3)
    with pytest.raises(GanfitError, match="do not overlap"):
        next(lay_onto(huge, judge.scan, scaled=False))


def test_the_command_writes_a_table_a_record_and_a_picture(files, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "table.txt").write_text(f"{TITLE} of somebody else")  # what is ours is replaced
    command = ["evaluate", "scan", str(files / "scan.obj"), str(files / "photo.png"), "--out", str(out), *FIT]
    assert main([*command, "--unit", "1"]) == 0
    shown = capsys.readouterr().out
    text = (out / "table.txt").read_text()
    assert text in shown
    assert "taken as 1 mm, as --unit says" in text
    rows = ["mean face", "landmarks alone", "full fit"]
    assert [line[:18].strip() for line in text.splitlines()[3:6]] == rows
    record = json.loads((out / "scan_error.json").read_text())
    assert list(record["errors"]) == rows
    assert record["photos"] == ["photo.png"]
    assert (record["steps"], record["size"], record["parts"]["identity"]) == (1, 64, "dlib")
    for row, found in record["errors"].items():
        for variant in VARIANTS:
            assert 0 < found[variant]["surface"]["mm"] < 5
            assert f"{found[variant]['symmetric']['mm']:.2f}" in next(line for line in text.splitlines() if row in line)
    with Image.open(out / "scan_error.png") as picture:
        assert picture.width > picture.height > 300
    assert {path.name for path in out.iterdir()} == {"table.txt", "scan_error.json", "scan_error.png"}


def test_several_photos_have_a_row_for_what_they_agree_on(files, model, person, tmp_path):
    turned = person.replace(camera=orbit_camera(0.35, 0.0))
    to_pil(picture_of(model, turned, 256)).save(tmp_path / "turned.png")
    photos = [str(files / "photo.png"), str(tmp_path / "turned.png")]
    assert main(["evaluate", "scan", str(files / "scan.obj"), *photos, "--out", str(tmp_path), *FIT]) == 0
    errors = json.loads((tmp_path / "scan_error.json").read_text())["errors"]
    assert list(errors) == ["mean face", "landmarks alone", "photos agree", "full fit"]
    aligned, agreed = (errors[row]["similarity"]["surface"]["mm"] for row in ("landmarks alone", "photos agree"))
    assert aligned != agreed


def sheet_of_paper(path):
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 1 0\nf 1 2 3\nf 2 4 3\n")


def test_what_cannot_be_measured_is_one_sentence(files, tmp_path, capsys):
    scan, photo, out = files / "scan.obj", files / "photo.png", tmp_path / "out"
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.obj").write_text("dear diary")
    sheet_of_paper(tmp_path / "paper.obj")
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "grey.png")
    for said, given in {
        "There is no file": [tmp_path / "none.obj", photo],
        "holds no triangles": [tmp_path / "text.obj", photo],
        "No face is seen on the scan": [tmp_path / "paper.obj", photo],
        "There is no photo in": [scan, tmp_path / "empty"],
        "grey.png": [scan, photo, tmp_path / "grey.png"],
        "--face belongs to one photo": [scan, photo, tmp_path / "grey.png", "--face", "1"],
        "give its true unit": [scan, photo, "--unit", "1000"],
        "size must be": [scan, photo, "--size", "1"],
    }.items():
        assert main(["evaluate", "scan", *(str(word) for word in given), "--out", str(out), "--steps", "0"]) == 1
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
        assert not out.exists()


@pytest.mark.parametrize("wrong", [[], ["photo.png", "--unit", "0"], ["photo.png", "--unit", "nan"]])
def test_words_that_are_wrong_are_told_by_the_parser(tmp_path, capsys, wrong):
    with pytest.raises(SystemExit):
        main(["evaluate", "scan", "scan.obj", *wrong, "--out", str(tmp_path / "out")])
    assert ("--unit: invalid length" if wrong else "PHOTO") in capsys.readouterr().err


@pytest.mark.parametrize("name", ["table.txt", "scan_error.json", "scan_error.png"])
def test_files_of_others_stay(files, tmp_path, capsys, name):
    (tmp_path / name).write_text("dear diary")
    command = ["evaluate", "scan", str(files / "scan.obj"), str(files / "photo.png"), "--out", str(tmp_path), *FIT]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert "not written by ganfit" in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "dear diary"
