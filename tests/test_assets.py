"""The registry, its downloads, and what `ganfit assets` and `ganfit doctor` say."""

from __future__ import annotations

import bz2
import hashlib
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from ganfit_nb import GanfitError
from ganfit_nb.assets import registry as asset_registry
from ganfit_nb.assets.download import download
from ganfit_nb.assets.registry import DOWNLOADS, SHIPPED, fetch, shipped_folder
from ganfit_nb.commands import doctor
from ganfit_nb.commands.cli import main
from ganfit_nb.photos import dlib_landmarks

CONTENT = bytes(range(256)) * 20_000  # 5 MB, so that a transfer has several blocks


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT, and /packed.bz2 of it; breaks off after `limit` bytes, knows ranges if `ranges`."""

    limit: int | None = None
    ranges = True
    requests: list[str | None] = []  # noqa: RUF012 (the tests' own record)

    def do_GET(self):
        content = bz2.compress(CONTENT) if self.path.endswith(".bz2") else CONTENT
        asked = self.headers.get("Range") if self.ranges else None
        self.requests.append(asked)
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if first >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        self.wfile.write(content[first:][: self.limit])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(Server, "limit", None)
    monkeypatch.setattr(Server, "ranges", True)
    monkeypatch.setattr(Server, "requests", [])
    running = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()
    thread.join()


SHA256 = hashlib.sha256(CONTENT).hexdigest()


# --- downloads -------------------------------------------------------------------------------------------------------


def test_a_download_is_the_file_and_nothing_else(server, tmp_path):
    target = tmp_path / "new" / "weights.dat"
    download(f"{server}/weights.dat", target, SHA256)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["weights.dat"]


def test_another_file_of_the_same_name_is_kept(server, tmp_path):
    target = tmp_path / "weights.dat"
    for number in range(2):
        target.write_bytes(b"mine %d" % number)
        download(f"{server}/weights.dat", target, SHA256)
        assert target.read_bytes() == CONTENT
    assert (tmp_path / "weights.dat.former").read_bytes() == b"mine 0"
    assert (tmp_path / "weights.dat.former1").read_bytes() == b"mine 1"


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_is_resumed(server, tmp_path, monkeypatch, ranges):
    target = tmp_path / "weights.dat"
    monkeypatch.setattr(Server, "limit", 3_000_000)
    with pytest.raises(GanfitError, match="could not be downloaded"):
        download(f"{server}/weights.dat", target, SHA256)
    assert not target.exists()
    assert (tmp_path / "weights.dat.part").stat().st_size == 3_000_000
    monkeypatch.setattr(Server, "limit", None)
    monkeypatch.setattr(Server, "ranges", ranges)
    download(f"{server}/weights.dat", target, SHA256)
    assert target.read_bytes() == CONTENT
    assert Server.requests[-1] == ("bytes=3000000-" if ranges else None)
    assert not (tmp_path / "weights.dat.part").exists()


def test_a_part_that_is_already_whole_is_taken(server, tmp_path):
    (tmp_path / "weights.dat.part").write_bytes(CONTENT)
    download(f"{server}/weights.dat", tmp_path / "weights.dat", SHA256)
    assert (tmp_path / "weights.dat").read_bytes() == CONTENT


def test_another_file_is_deleted(server, tmp_path):
    with pytest.raises(GanfitError, match="another file"):
        download(f"{server}/weights.dat", tmp_path / "weights.dat", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_is_unpacked(server, tmp_path, monkeypatch):
    download(f"{server}/weights.dat.bz2", tmp_path / "weights.dat", SHA256)
    assert (tmp_path / "weights.dat").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["weights.dat"]
    (tmp_path / "other.dat.part").write_bytes(b"no archive" * 10**6)  # left over from something else
    with pytest.raises(GanfitError, match="try again"):
        download(f"{server}/other.dat.bz2", tmp_path / "other.dat", SHA256)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.dat"]
    download(f"{server}/other.dat.bz2", tmp_path / "other.dat", SHA256)
    assert (tmp_path / "other.dat").read_bytes() == CONTENT


def test_a_server_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(GanfitError, match="could not be downloaded"):
        download("http://127.0.0.1:9/weights.dat", tmp_path / "weights.dat", SHA256)


def test_a_group_is_fetched_once_and_repaired(server, tmp_path, monkeypatch, capsys):
    asset = replace(DOWNLOADS[0], group="thing", url=f"{server}/thing.dat", sha256=SHA256, folder=lambda: tmp_path)
    monkeypatch.setattr(asset_registry, "DOWNLOADS", (asset,))
    assert main(["assets", "download", "thing"]) == 0
    assert "Licence" in capsys.readouterr().out
    fetch("thing")
    assert len(Server.requests) == 1
    asset.path.write_bytes(b"damaged")
    assert asset.state() == "damaged"
    fetch("thing")
    assert asset.state() == "present"
    assert main(["assets", "download", "nothing"]) == 1
    assert "thing" in capsys.readouterr().err


# --- the registry ----------------------------------------------------------------------------------------------------


def test_every_shipped_file_is_registered_with_its_content():
    files = {path.name for path in shipped_folder().iterdir() if path.suffix in (".safetensors", ".png")}
    assert {asset.file for asset in SHIPPED} == files
    for asset in SHIPPED:
        assert asset.state() == "present", asset.file
        assert asset.megabytes == pytest.approx(asset.path.stat().st_size / 1e6, abs=0.06)


def test_downloads_are_known_by_their_hash():
    for asset in DOWNLOADS:
        assert len(bytes.fromhex(asset.sha256)) == 32
        assert asset.url.startswith("https://")
        assert asset.licence


def test_assets_lists_everything(capsys):
    assert main(["assets"]) == 0
    out = capsys.readouterr().out
    for word in ("morphable_model.safetensors", "2DFAN4", "dlib-landmarks", "BFM 2009", "FLAME", "ArcFace", "CC0"):
        assert word in out
    assert out.count("present") >= len(SHIPPED)


def test_a_damaged_installation_is_told(tmp_path, monkeypatch, capsys):
    asset = replace(SHIPPED[0], folder=lambda: tmp_path)
    monkeypatch.setattr(asset_registry, "SHIPPED", (asset,))
    asset.path.write_bytes(b"half of it")
    assert main(["assets"]) == 1
    assert "reinstall" in capsys.readouterr().err
    assert main(["doctor"]) == 1
    assert "damaged: morphable_model.safetensors" in capsys.readouterr().out


# --- doctor ----------------------------------------------------------------------------------------------------------


def bare(monkeypatch, tmp_path, *hidden: str) -> None:
    """A machine without some packages, and with nothing downloaded."""
    real = doctor.importlib.util.find_spec
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None if name in hidden else real(name))
    monkeypatch.setenv("GANFIT_HOME", str(tmp_path / "ganfit"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)


def test_doctor_with_nothing(monkeypatch, tmp_path, capsys):
    optional = ("scipy", "h5py", "face_alignment", "face_recognition_models", "dlib", "onnx", "jupyterlab")
    bare(monkeypatch, tmp_path, *optional)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for line in (
        "works    fitting",
        "missing  notebooks: without jupyterlab",
        "missing  models from files (--model): without scipy, h5py",
        'run: pip install "ganfit_nb[models]"',
        "missing  landmarks by FAN (--landmarks fan): without face_alignment",
        "missing  landmarks by dlib (--landmarks dlib): without dlib",
        'run: pip install "ganfit_nb[arcface]"',
    ):
        assert line in out


def test_doctor_names_the_weights_that_lack(monkeypatch, tmp_path, capsys):
    bare(monkeypatch, tmp_path, "face_recognition_models")
    real = doctor.importlib.util.find_spec
    monkeypatch.setattr(
        doctor.importlib.util,
        "find_spec",
        lambda name: sys if name in ("face_alignment", "dlib", "onnx") else real(name),
    )
    main(["doctor"])
    out = capsys.readouterr().out
    assert "run: ganfit assets download fan" in out
    assert "run: ganfit assets download dlib-landmarks" in out
    assert f"no usable pack in {tmp_path / '.insightface' / 'models'}" in out
    for asset in DOWNLOADS:
        asset.path.parent.mkdir(parents=True, exist_ok=True)
        asset.path.write_bytes(b"")
    main(["doctor"])
    assert "s3fd-619a316812.pth is damaged" in capsys.readouterr().out
    empty = hashlib.sha256(b"").hexdigest()
    monkeypatch.setattr(asset_registry, "DOWNLOADS", tuple(replace(asset, sha256=empty) for asset in DOWNLOADS))
    main(["doctor"])
    out = capsys.readouterr().out
    assert "works    landmarks by FAN" in out
    assert "works    landmarks by dlib" in out


def test_doctor_tells_of_cuda(capsys):
    main(["doctor"])
    works = "CUDA (--device cuda): torch sees no CUDA" not in capsys.readouterr().out
    assert works == torch.cuda.is_available()


def test_doctor_finds_weights_in_face_recognition_models(monkeypatch, tmp_path):
    folder = tmp_path / "face_recognition_models" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / dlib_landmarks.WEIGHTS).write_bytes(b"")
    monkeypatch.syspath_prepend(tmp_path)
    assert dlib_landmarks.packaged_weights() == folder / dlib_landmarks.WEIGHTS
