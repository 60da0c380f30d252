"""Commands meet files that they did not write: one sentence, and every file is still there."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganfit_nb.assets import asset_path
from ganfit_nb.commands.cli import main
from ganfit_nb.standins.stand_in import MARK

PORTRAIT = asset_path("astronaut.png")
FIT = ["--steps", "0", "--jobs", "1"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of the user's, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def place(path, content="dear diary"):
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is PORTRAIT:
        shutil.copy(PORTRAIT, path)
    else:
        path.write_text(content)


def contents():
    return {path: path.read_bytes() for path in sorted(Path().rglob("*")) if path.is_file()}


def refused(capsys, *arguments):
    """The sentence that a command ends with; nothing may have changed."""
    before = contents()
    assert main([str(argument) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("ganfit: ")
    assert error.count("\n") == 1, error
    assert contents() == before
    return error


def test_a_folder_that_is_named_like_the_photo(here, capsys):
    place(here / "eva.jpg", PORTRAIT)
    place(here / "eva" / "diary.txt")
    assert "more than a result" in refused(capsys, "fit", "eva.jpg", "--out", ".", "--steps", "0")


@pytest.mark.parametrize("folder", ["shared", "a"])
def test_folders_of_a_person_that_hold_something_else(here, capsys, folder):
    place(here / "a.png", PORTRAIT)
    place(here / "b.png", PORTRAIT)
    place(here / "out" / folder / "diary.txt")
    refused(capsys, "fit", "a.png", "b.png", "--same-person", "--out", "out", "--steps", "0")


def test_a_photo_in_the_place_of_the_shared_result(here, capsys):
    place(here / "photos" / "shared" / "1.png", PORTRAIT)
    place(here / "photos" / "2.png", PORTRAIT)
    assert "shared" in refused(capsys, "fit", "photos", "--same-person", "--out", "out", "--steps", "0")


def test_a_photo_named_like_a_folder_of_results(here, capsys):
    place(here / "archive" / "1998" / "eva.png", PORTRAIT)
    place(here / "1998.png", PORTRAIT)
    assert "inside" in refused(capsys, "fit", "1998.png", "archive", "--out", "out", *FIT)
    assert main(["fit", "archive", "--out", "out", *FIT]) == 0
    capsys.readouterr()
    refused(capsys, "fit", "1998.png", "--out", "out", "--steps", "0")


def test_a_photo_whose_name_is_a_dot(here, capsys):
    place(here / "..png", PORTRAIT)
    assert "rename" in refused(capsys, "fit", "..png", "--out", "out", "--steps", "0")


def test_photos_that_would_share_a_folder(here, capsys):
    for name in ("a/Eva.png", "b/eva.png"):
        place(here / name, PORTRAIT)
    assert "rename" in refused(capsys, "fit", "a", "b", "--out", "out", *FIT)


@pytest.mark.parametrize("name", ["ablation.csv", "ablation.png", "known/known-3.png"])
def test_files_named_like_those_of_an_ablation(here, capsys, name):
    place(here / "out" / name, PORTRAIT if name == "known/known-3.png" else "dear diary")
    refused(capsys, "evaluate", "ablation", PORTRAIT, "--known-face", "3", "--out", "out", *FIT)


@pytest.mark.parametrize("name", ["lfw.json", "figure_6.png", "figure_7.png"])
def test_files_named_like_those_of_lfw(here, capsys, name):
    place(here / "out" / name)
    refused(capsys, "evaluate", "lfw", "lfw", "--out", "out", *FIT)


@pytest.mark.parametrize("name", ["subject_01.json", "table.txt"])
def test_files_named_like_those_of_micc(here, capsys, name):
    place(here / "micc" / "subject_01" / "Model" / "notes.txt")
    place(here / "out" / name)
    assert "not written by ganfit" in refused(capsys, "evaluate", "micc", "micc", "--out", "out")


def test_a_corpus_takes_no_folder_with_other_files(here, capsys):
    (here / "corpus").mkdir()
    np.save(here / "corpus" / "maps.npy", np.zeros((2, 8, 8, 3), np.uint8))
    refused(capsys, "train", "corpus", "--count", "1", "--size", "16", "--out", "corpus")
    assert main(["train", "corpus", "--count", "1", "--size", "64", "--out", "new"]) == 0
    assert sorted(path.name for path in (here / "new").iterdir()) == ["corpus.json", "maps.npy", "sheet.png"]
    assert np.load(here / "new" / "maps.npy").shape == (1, 64, 64, 3)
    assert main(["train", "corpus", "--count", "2", "--size", "64", "--out", "new"]) == 0
    assert np.load(here / "new" / "maps.npy").shape == (2, 64, 64, 3)


@pytest.mark.parametrize("name", ["checkpoint.pt", "texture_gan.safetensors", "sheet.png", "metrics.jsonl"])
def test_files_named_like_those_of_a_training(here, capsys, name):
    assert main(["train", "corpus", "--count", "1", "--size", "64", "--out", "corpus"]) == 0
    capsys.readouterr()
    place(here / "gan" / name)
    refused(capsys, "train", "texture", "--corpus", "corpus", "--out", "gan")
    place(here / "texture.safetensors")
    refused(capsys, "train", "pca", "--corpus", "corpus", "--held-out", "corpus", "--out", "texture.safetensors")


def test_a_half_made_subject_and_one_of_another_seed_are_not_taken_for_the_stand_ins(here, capsys):
    (here / "micc" / "subject_01").mkdir(parents=True)
    assert "not of this stand-in" in refused(capsys, "make", "micc-standin", "micc", "--subjects", "1")
    place(here / "micc" / MARK, "Subjects: 1. Seed: 5. Skins: procedural.\n")
    for name in ("frontal1", "frontal2", "sidel", "sider"):
        place(here / "micc" / "subject_01" / "Model" / name / "obj" / f"{name}.obj")
    for name in ("Indoor-Cooperative.mjpg", "PTZ-Indoor.mjpeg", "PTZ-Outdoor.mpg"):
        place(here / "micc" / "subject_01" / "Video" / name)
    refused(capsys, "make", "micc-standin", "micc", "--subjects", "1")
    assert main(["make", "micc-standin", "micc", "--subjects", "1", "--seed", "5"]) == 0


def test_a_picture_of_a_known_face_of_another_model_is_refused(here, capsys):
    from ganfit_nb.files.outputs import save_png

    (here / "out" / "known").mkdir(parents=True)
    save_png(Image.new("RGB", (64, 64)), here / "out" / "known" / "known-3.png", "known-3 of the model abc")
    assert "another model" in refused(capsys, "evaluate", "ablation", "--known-face", "3", "--out", "out", *FIT)


def test_a_corrected_file_of_landmarks_is_noticed_and_a_moved_one_is_the_same(here, capsys):
    place(here / "a" / "eva.png", PORTRAIT)
    from ganfit_nb import Photo
    from ganfit_nb.warp import transform_points

    photo = Photo.open(PORTRAIT)
    points = transform_points(photo.to_original, photo.landmarks)
    (here / "eva.json").write_text(json.dumps(points.tolist()))
    command = ["fit", "a", "--out", "out", *FIT, "--landmarks"]
    assert main([*command, "eva.json"]) == 0
    (here / "elsewhere").mkdir()
    shutil.copy(here / "eva.json", here / "elsewhere" / "other.json")
    assert main([*command, "elsewhere/other.json"]) == 0
    assert "1 of them before" in capsys.readouterr().out
    (here / "eva.json").write_text(json.dumps((points + 1).tolist()))
    assert "other settings" in refused(capsys, *command, "eva.json")
