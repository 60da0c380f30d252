import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import trimesh
from PIL import Image

import ganfit_nb.results.recipe
import ganfit_nb.results.result
from ganfit_nb.assets import asset_path
from ganfit_nb.commands.cli import main
from ganfit_nb.files.outputs import is_result

PORTRAIT = asset_path("astronaut.png")
README_MB = 1000  # "less than 1 GB"


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    assert main(["fit", str(PORTRAIT), "--out", str(out), "--steps", "2", "--seed", "5"]) == 0
    return out / "astronaut"


def test_a_fit_writes_exactly_the_promised_files(result):
    assert sorted(p.name for p in result.parent.iterdir()) == ["astronaut"]
    names = ["fit.json", "mesh.glb", "mesh.mtl", "mesh.obj", "mesh_photo.glb", "neutral.obj", "overlay.png"]
    names += ["report.html", "texture.png", "texture_photo.png"]
    assert sorted(p.name for p in result.iterdir()) == names
    assert is_result(result)


def test_fit_json_tells_everything(result):
    record = json.loads((result / "fit.json").read_text())
    assert (record["steps"], record["seed"], record["device"], record["interrupted"]) == (2, 5, "cpu", False)
    assert 0 < record["landmark_error"] < 0.1
    assert 0 < record["identity_distance"] < 2
    assert record["peak_memory_mb"] > 50
    assert record["seconds"] > 0
    assert [len(record["parameters"][name]) for name in ("identity", "expression", "camera", "light")] == [
        158,
        29,
        7,
        9,
    ]
    assert len(record["losses"]["identity"]) == len(record["stages"])
    assert len(record["landmarks"]) == 68
    assert "torch" in record["versions"]


def test_a_fit_needs_the_memory_that_the_readme_promises(tmp_path):
    """In a process of its own: that of the tests has much in memory that no fit needs."""
    command = "from ganfit_nb.commands.cli import main; main()"
    options = ["fit", str(PORTRAIT), "--out", str(tmp_path), "--steps", "5"]
    subprocess.run([sys.executable, "-c", command, *options], check=True, capture_output=True)
    assert json.loads((tmp_path / "astronaut" / "fit.json").read_text())["peak_memory_mb"] < README_MB


def test_the_linear_texture_can_take_the_gans_place(tmp_path):
    assert main(["fit", "--out", str(tmp_path), "--steps", "1", "--texture", "pca"]) == 0
    record = json.loads((tmp_path / "astronaut" / "fit.json").read_text())
    assert record["parts"]["texture"] == "pca"
    assert len(record["parameters"]["texture"]) == 512


def test_training_needs_a_corpus(tmp_path, capsys):
    for command in (["texture"], ["pca", "--held-out", str(tmp_path)]):
        arguments = ["--corpus", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
        assert main(["train", *command, *arguments]) == 1
        error = capsys.readouterr().err
        assert error.startswith("ganfit: There is no corpus")
        assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_meshes_open_elsewhere_with_their_texture(result):
    mesh = trimesh.load(result / "mesh.obj", process=False)
    assert mesh.visual.material.image.size == (512, 512)
    width = np.ptp(mesh.vertices[:, 0])
    assert 120 < width < 260  # mm
    own = trimesh.load(result / "mesh_photo.glb", force="mesh")
    assert own.visual.material.baseColorTexture.size == (1024, 1024)
    fitted, photo = (np.asarray(Image.open(result / f"{name}.png")) / 255 for name in ("texture", "texture_photo"))
    assert np.abs(photo[::2, ::2] - fitted)[150:350, 150:350].mean() > 0.01  # of the photo, not of the fit
    assert 0.2 < json.loads((result / "fit.json").read_text())["own_skin"]["seen"] < 0.9
    scene = trimesh.load(result / "mesh.glb")
    (geometry,) = scene.geometry.values()
    assert np.ptp(geometry.vertices[:, 0]) * 1000 == pytest.approx(width, rel=0.01)  # glTF counts metres
    assert geometry.visual.material.baseColorTexture.size == (512, 512)
    neutral = trimesh.load(result / "neutral.obj", process=False)
    assert len(neutral.faces) == len(mesh.faces)


def test_the_exported_texture_sits_where_the_model_samples_it(result):
    """The colour at a vertex through the OBJ's own coordinates is the colour our renderer samples there."""
    mesh = trimesh.load(result / "mesh.obj", process=False)
    image = np.asarray(mesh.visual.material.image, dtype=float)
    column, row = mesh.visual.uv[:, 0] * 512, (1 - mesh.visual.uv[:, 1]) * 512
    colours = image[np.clip(row.astype(int), 0, 511), np.clip(column.astype(int), 0, 511)]
    nose = mesh.vertices[:, 2].argmax()
    lips_to_brow = colours[np.abs(mesh.vertices - mesh.vertices[nose]).max(1) < 60]
    assert lips_to_brow.mean() > 60  # skin, not the unused black of a flipped map
    assert (lips_to_brow[:, 0] > lips_to_brow[:, 2]).mean() > 0.8  # and redder than blue


def test_the_overlay_has_its_six_panels_and_their_captions(result):
    with Image.open(result / "overlay.png") as sheet:
        width, height = sheet.size
        captions = np.asarray(sheet.convert("L"))[512:]
    assert width == 6 * 512
    assert 512 + 20 < height < 512 + 80
    for panel in np.split(captions, 6, axis=1):
        assert 0.002 < (panel < 100).mean() < 0.2


def broken_inputs(folder):
    Image.new("RGB", (300, 300), "gray").save(folder / "no_face.png")
    (folder / "text.jpg").write_text("hello")
    Image.open(PORTRAIT).convert("RGB").save(folder / "whole.jpg")
    (folder / "truncated.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:20_000])
    Image.new("RGB", (1, 1)).save(folder / "tiny.png")
    Image.new("L", (20_000, 40)).save(folder / "wide.png")
    (folder / "folder.jpg").mkdir()
    (folder / "empty.png").write_bytes(b"")
    return [
        "no_face.png",
        "text.jpg",
        "truncated.jpg",
        "tiny.png",
        "wide.png",
        "folder.jpg",
        "empty.png",
        "missing.png",
    ]


def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path, capsys):
    for name in broken_inputs(tmp_path):
        status = main(["fit", str(tmp_path / name), "--out", str(tmp_path / "out")])
        error = capsys.readouterr().err
        assert status == 1, name
        assert error.startswith("ganfit: "), name
        assert error.count("\n") == 1, error
        assert not (tmp_path / "out").exists(), name


def test_an_output_that_cannot_be_written_is_told_before_fitting(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["fit", "--out", str(tmp_path / "file"), "--steps", "2"]) == 1
    assert capsys.readouterr().err.startswith("ganfit: Cannot write to")


def test_two_photos_with_one_name_are_refused(tmp_path, capsys):
    assert main(["fit", str(PORTRAIT), "other/astronaut.png", "--out", str(tmp_path)]) == 1
    assert "astronaut" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--steps", "-3"], ["--device", "cuda"]])
def test_options_that_cannot_work_are_one_sentence(tmp_path, capsys, arguments):
    import torch

    if arguments[0] == "--device" and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    assert main(["fit", "--out", str(tmp_path), *arguments]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def interrupting(monkeypatch, stage, index):
    """Lets Ctrl-C be pressed at a step of the fit."""
    real = ganfit_nb.results.recipe.fit

    def interrupted(*args, **kwargs):
        for step in real(*args, **kwargs):
            if (step.stage, step.index) == (stage, index):
                signal.raise_signal(signal.SIGINT)
            yield step

    monkeypatch.setattr(ganfit_nb.results.recipe, "fit", interrupted)


def test_an_interrupt_keeps_what_was_fitted(tmp_path, monkeypatch, capsys):
    interrupting(monkeypatch, "joint", 1)
    assert main(["fit", "--out", str(tmp_path), "--steps", "50"]) == 130
    record = json.loads((tmp_path / "astronaut" / "fit.json").read_text())
    assert record["interrupted"] is True
    assert record["steps"] == 1
    assert "interrupted" in capsys.readouterr().out


def test_a_second_interrupt_while_the_result_is_written_loses_nothing(tmp_path, monkeypatch):
    interrupting(monkeypatch, "joint", 1)
    real = ganfit_nb.results.result.write_meshes

    def pressed_again(*args):
        signal.raise_signal(signal.SIGINT)
        real(*args)

    monkeypatch.setattr(ganfit_nb.results.result, "write_meshes", pressed_again)
    assert main(["fit", "--out", str(tmp_path), "--steps", "50"]) == 130
    assert json.loads((tmp_path / "astronaut" / "fit.json").read_text())["interrupted"] is True
    assert [path.name for path in tmp_path.iterdir()] == ["astronaut"]


def test_an_interrupt_at_the_last_step_interrupts_nothing(tmp_path, monkeypatch):
    interrupting(monkeypatch, "joint", 2)
    assert main(["fit", "--out", str(tmp_path), "--steps", "2"]) == 0
    assert json.loads((tmp_path / "astronaut" / "fit.json").read_text())["interrupted"] is False


def test_an_interrupted_fit_never_takes_a_finished_ones_place(result, monkeypatch, capsys):
    before = (result / "fit.json").read_bytes()
    interrupting(monkeypatch, "joint", 0)
    assert main(["fit", str(PORTRAIT), "--out", str(result.parent), "--steps", "3"]) == 1
    assert "holds a finished result, which stays" in capsys.readouterr().err
    assert (result / "fit.json").read_bytes() == before
