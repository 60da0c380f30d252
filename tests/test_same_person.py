"""`ganfit fit … --same-person`, with photos and with a video."""

import json
import shutil

import numpy as np
import pytest
import trimesh
from PIL import Image

from ganfit_nb.assets import asset_path
from ganfit_nb.commands.cli import main
from ganfit_nb.standins.micc import write_video

PORTRAIT = asset_path("astronaut.png")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    shutil.copy(PORTRAIT, folder / "a.png")
    Image.open(PORTRAIT).convert("RGB").crop((60, 0, 420, 400)).save(folder / "b.jpg", quality=60)
    arguments = [str(folder / "a.png"), str(folder / "b.jpg"), "--same-person"]
    assert main(["fit", *arguments, "--out", str(folder / "out"), "--steps", "1"]) == 0
    return folder / "out"


def record(folder):
    return json.loads((folder / "fit.json").read_text())


def test_the_shared_result_lies_beside_each_photos_own(results):
    assert sorted(p.name for p in results.iterdir()) == ["a", "b", "shared"]
    for folder in results.iterdir():
        for name in (
            "mesh.obj",
            "mesh.glb",
            "texture.png",
            "mesh_photo.glb",
            "texture_photo.png",
            "neutral.obj",
            "overlay.png",
            "fit.json",
        ):
            assert (folder / name).is_file()


def test_shape_and_texture_are_those_of_the_shared_result(results):
    shared, a, b = (record(results / name)["parameters"] for name in ("shared", "a", "b"))
    assert shared["identity"] == a["identity"] == b["identity"]
    assert shared["texture"] == a["texture"] == b["texture"]
    assert a["camera"] != b["camera"]
    assert record(results / "shared")["photos"] == ["a", "b"]
    neutral, mesh = (trimesh.load_mesh(results / "shared" / f"{n}.obj", process=False) for n in ("neutral", "mesh"))
    np.testing.assert_allclose(neutral.vertices, mesh.vertices, atol=1e-4)


def test_a_video_is_one_person(tmp_path):
    portrait = np.array(Image.open(PORTRAIT).convert("RGB").resize((256, 256)))
    write_video(tmp_path / "clip.mjpg", [portrait] * 2, 3)
    assert main(["fit", str(tmp_path / "clip.mjpg"), "--out", str(tmp_path / "out"), "--steps", "0"]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["clip_00000", "clip_00001", "shared"]


def test_what_cannot_work_is_one_sentence_and_leaves_nothing(tmp_path, capsys):
    (tmp_path / "noise.mp4").write_bytes(b"no video")
    (tmp_path / "grey.png").write_bytes(b"no picture")
    out = ["--out", str(tmp_path / "out")]
    for arguments in (
        [str(tmp_path / "noise.mp4")],
        [str(tmp_path / "noise.mp4"), str(PORTRAIT)],
        [str(PORTRAIT), str(tmp_path / "grey.png"), "--same-person"],
    ):
        assert main(["fit", *arguments, *out]) == 1
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()
