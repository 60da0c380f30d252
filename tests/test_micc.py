"""The MICC experiment on a small dataset in its layout: the model's own shape as scan, a video of its pictures."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from iresnet import IResNet, export
from model_writers import WRITERS, Source

from ganfit_nb import FaceModel, GanfitError
from ganfit_nb.commands.cli import main
from ganfit_nb.evaluation.known_face import known_face, picture_of
from ganfit_nb.evaluation.micc import FULL, LINEAR, SETTINGS, recipes_of_rows, scan_files, subjects, video_file
from ganfit_nb.evaluation.micc_table import cell_values, table
from ganfit_nb.evaluation.scan_error import Reconstruction, Scan, scan_error
from ganfit_nb.geometry.similarity import Similarity
from ganfit_nb.geometry.surface import Surface
from ganfit_nb.photos.photo import default_detector
from ganfit_nb.results.export import textured_mesh
from ganfit_nb.results.recipe import Recipe
from ganfit_nb.standins.micc import write_video
from ganfit_nb.standins.scanner import scan
from ganfit_nb.standins.stand_in import mark_stand_in

OPTIONS = ["--steps", "0", "--size", "64"]


@pytest.fixture(scope="module")
def model():
    return FaceModel.default()


@pytest.fixture(scope="module")
def person(model):
    return known_face(model, 3, 3).replace(expression=torch.zeros(29))


@pytest.fixture(scope="module")
def scanned(model, person):
    vertices = model.vertices(person).double().numpy()
    found = scan(
        vertices - vertices[model.morphable.face_region].mean(0),
        model.morphable.faces.numpy(),
        np.random.default_rng(0),
    )
    return Scan.find_marks(found, model.morphable, default_detector())


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, model, person):
    """One whole subject, one without a scan."""
    root = tmp_path_factory.mktemp("micc")
    folder = root / "subject_01" / "Model" / "frontal1" / "obj"
    folder.mkdir(parents=True)
    textured_mesh(model, model.vertices(person), model.texture(person.texture)).export(folder / "scan.obj")
    video = root / "subject_01" / "Video"
    video.mkdir()
    picture = (picture_of(model, person, 256) * 255).to(torch.uint8).numpy()
    write_video(video / "Indoor-Cooperative.mjpg", [picture] * 5, 3)
    (root / "subject_02" / "Video").mkdir(parents=True)
    return root


def test_a_scan_is_another_mesh_of_the_same_face(model, person, scanned):
    assert len(scanned.surface.vertices) > 3 * len(model.morphable.mean)
    truth = scan_error(Reconstruction.of(model.morphable, model.vertices(person)), scanned, scaled=False)
    mean = scan_error(Reconstruction.of(model.morphable, model.morphable.mean), scanned, scaled=False)
    assert truth.distance.mean < 0.3  # the scanner's noise and the parts it does not see
    assert truth.distance.mean < 0.3 * mean.distance.mean


def test_the_unit_of_a_reconstruction_matters_only_where_it_is_part_of_the_error(model, scanned):
    face = Reconstruction.of(model.morphable, model.morphable.mean)
    small = face.moved(Similarity(0.9, np.eye(3), np.zeros(3)))
    tiny = face.moved(Similarity(1e-3, np.eye(3), np.zeros(3)))  # metres
    scaled = [scan_error(one, scanned, scaled=True) for one in (face, small, tiny)]
    assert scaled[1].distance.mean == pytest.approx(scaled[0].distance.mean, rel=1e-6)
    assert scaled[2].distance.mean == pytest.approx(scaled[0].distance.mean, rel=1e-6)
    assert scaled[2].scale == pytest.approx(1000 * scaled[0].scale, rel=1e-6)
    rigid = [scan_error(one, scanned, scaled=False).distance.mean for one in (face, small)]
    assert rigid[1] > 1.3 * rigid[0]


def test_the_inside_of_the_mouth_is_not_judged(model):
    outside = Reconstruction.of(model.morphable, model.morphable.mean).surface
    assert 0.5 * len(model.morphable.faces) < len(outside.faces) < len(model.morphable.faces)
    assert len(np.unique(outside.faces)) == len(outside.vertices)


@pytest.fixture(scope="module")
def killed(dataset, tmp_path_factory):
    """The folder of a run that was killed as soon as it had stored something, and what it had stored."""
    out = tmp_path_factory.mktemp("out")
    command = [sys.executable, "-m", "ganfit_nb", "evaluate", "micc", str(dataset), "--out", str(out), *OPTIONS]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not (out / "subject_01.json").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    return out, json.loads((out / "subject_01.json").read_text())["errors"]


def test_a_killed_run_goes_on_and_its_results_are_stored_reused_and_explained(dataset, killed, capsys):
    out, before = killed
    run = ["evaluate", "micc", str(dataset), "--out", str(out), *OPTIONS]
    assert main(run) == 0
    shown = capsys.readouterr()
    assert "MICC, similarity" in shown.out
    assert "stand-in" not in shown.out
    missing = [line for line in shown.err.splitlines() if not line.endswith("…")]
    assert len(missing) == 3  # two videos of the one, the scan of the other
    assert all("subject_0" in line for line in missing)
    record = json.loads((out / "subject_01.json").read_text())
    assert before.items() <= record["errors"].items()
    cell = record["errors"]["Cooperative"]["5"]["full model"]["similarity"]
    assert 0 < cell["mm"] < 3
    assert cell["covered"] > 0.65
    cell["mm"] = 0.125  # a trace that a rerun would wipe
    (out / "subject_01.json").write_text(json.dumps(record))
    assert main(run) == 0
    assert "0.12 ± 0.00" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        (["--size", "96"], "size 64, not 96"),
        (["--steps", "1"], "steps 0, not 1"),
        (["--seed", "1"], "seed 0, not 1"),
        (["--texture", "pca"], "texture gan with another content"),
    ],
)
def test_results_of_other_settings_are_neither_mixed_nor_overwritten(dataset, killed, capsys, options, difference):
    out, _ = killed
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main(["evaluate", "micc", str(dataset), "--out", str(out), *OPTIONS, *options]) == 1
    assert f"other settings ({difference})" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_results_of_other_data_are_not_mixed_either(dataset, killed, tmp_path, capsys):
    out, _ = killed
    (tmp_path / "subject_99").mkdir()
    mark_stand_in(tmp_path, "MICC", "for a test.")
    for path in out.glob("table.txt"):  # without it the records alone have to tell
        path.unlink()
    assert main(["evaluate", "micc", str(tmp_path), "--out", str(out), *OPTIONS]) == 1
    assert "(MICC, not stand-in for MICC)" in capsys.readouterr().err


def test_a_recipe_says_how_everything_is_fitted(dataset, tmp_path, capsys):
    """The paper's configuration with files in the paper's formats: a Basel model, an ArcFace network."""
    model = WRITERS["bfm2017"](tmp_path, Source.make())
    network = export(IResNet.random(18), tmp_path / "w600k_r18.onnx", 13)
    out, command = tmp_path / "out", ["evaluate", "micc", str(dataset), *OPTIONS, "--texture", "pca", "--device", "cpu"]
    command += ["--model", str(model), "--identity", str(network), "--landmarks", "mediapipe", "--out", str(out)]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert f"Fitted with: model {model.name}, identity {network}, landmarks mediapipe, texture pca; 0 steps" in shown
    assert LINEAR in shown
    assert FULL not in shown
    record = json.loads((out / "subject_01.json").read_text())
    assert record["data"] == "MICC"
    assert record["settings"]["parts"]["model"] == model.name
    cell = record["errors"]["Cooperative"]["5"]
    assert 0 < cell[LINEAR]["similarity"]["mm"] < 4
    assert record["errors"]["mean face"]["rigid"]["mm"] != cell[LINEAR]["rigid"]["mm"]
    without_model = [*command[: command.index("--model")], "--identity", str(network), "--out", str(out)]
    assert main(without_model) == 1
    assert f"other settings (model {model.name} with another content)" in capsys.readouterr().err


def test_every_row_is_a_recipe():
    recipe = Recipe(identity="arcface", texture=None)
    rows = recipes_of_rows(recipe)
    assert [row.texture for row in rows.values()] == ["pca", None]
    assert {row.identity for row in rows.values()} == {"arcface"}
    assert rows[FULL] is recipe
    assert list(recipes_of_rows(replace(recipe, texture="pca"))) == [LINEAR]


@pytest.mark.parametrize("option", [["--face", "2"], ["--landmarks", "face.pts"]])
def test_what_belongs_to_one_photo_is_refused(dataset, tmp_path, capsys, option):
    assert main(["evaluate", "micc", str(dataset), "--out", str(tmp_path / "out"), *option]) == 1
    assert "belongs to one photo" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_dataset_is_one_sentence(tmp_path, capsys):
    assert main(["evaluate", "micc", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_layout_is_that_of_the_dataset(tmp_path):
    subject = tmp_path / "subject_07"
    for path in ("Model/frontal2/obj/110926.obj", "Video/PTZ-Indoor.mjpeg", "Video/ptz-outdoor.MPG"):
        (subject / path).parent.mkdir(parents=True, exist_ok=True)
        (subject / path).touch()
    assert subjects(tmp_path) == [subject]
    assert [path.name for path in scan_files(subject)] == ["110926.obj"]
    assert video_file(subject, "Outdoor").name == "ptz-outdoor.MPG"
    with pytest.raises(GanfitError, match="Indoor-Cooperative"):
        video_file(subject, "Cooperative")


def test_the_table_is_of_means_over_subjects():
    def cell(value):
        return {v: {"mm": value, "scale": 1.0} for v in ("rigid", "similarity")}

    def record(value):
        frames = {count: {"full model": cell(value), "PCA texture": cell(3.0)} for count in ("1", "5")}
        return {"errors": {"mean face": cell(4.0)} | dict.fromkeys(SETTINGS, frames), "problems": []}

    records = {"subject_01": record(1.0), "subject_02": record(2.0)}
    assert cell_values(records, "full model", "Indoor", 5, "rigid") == [1.0, 2.0]
    text = table(records, "stand-in for MICC")
    assert text.count("1.50 ± 0.50") == 12
    assert "stand-in for MICC, rigid" in text
    assert "0.95 ± 0.11" in text
    assert "landmarks alone" not in text  # which no record has


def test_a_reconstruction_moves_with_its_points(model):
    face = Reconstruction.of(model.morphable, model.morphable.mean)
    moved = face.moved(Similarity(2.0, np.eye(3), np.ones(3)))
    assert isinstance(moved, Reconstruction)
    np.testing.assert_allclose(moved.marks, 2 * face.marks + 1)
    assert isinstance(moved.surface, Surface)


@pytest.mark.parametrize("missing", ["anny", "mitsuba"])
def test_the_stand_in_says_what_it_needs_before_it_writes(tmp_path, monkeypatch, capsys, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    if missing == "anny":
        monkeypatch.setattr("ganfit_nb.standins.micc.mitsuba", lambda: None)
    assert main(["make", "micc-standin", str(tmp_path / "micc")]) == 1
    error = capsys.readouterr().err
    assert "ganfit_nb[build]" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "micc").exists()
