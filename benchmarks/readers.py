"""How long files take to be read, beside another checkout of this project:
python benchmarks/readers.py [--other DIR] [--rounds N]

The checkouts take turns, each in a process of its own, so that other processes disturb them alike: trust the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parents[1]
Reader = Callable[[], object]


def image_readers(folder: Path) -> dict[str, Reader]:
    """Pictures as phones and cameras make them, of 12 megapixels."""
    from ganfit_nb.photos.image_file import read_image

    def reader(name: str) -> Reader:
        return lambda: read_image(folder / name)

    return {name: reader(name) for name in picture_files()}


def picture_files() -> dict[str, tuple[str, dict[str, object]]]:
    """Mode and how to save it, by file name."""
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "photo.jpg": ("RGB", {"quality": 90}),
        "turned.jpg": ("RGB", {"quality": 90, "exif": turned}),
        "grey.jpg": ("L", {"quality": 90}),
        "photo.png": ("RGB", {"compress_level": 1}),
        "transparent.png": ("RGBA", {"compress_level": 1}),
        "grey.png": ("I;16", {"compress_level": 1}),
        "photo.webp": ("RGB", {"quality": 80, "method": 0}),
    }


def write_pictures(folder: Path) -> None:
    y, x = np.mgrid[0:3000, 0:4000]
    waves = [128 + 100 * np.sin(x / 37 + k) * np.cos(y / (41 + k)) for k in range(4)]
    noise = np.random.default_rng(0).normal(0, 4, (3000, 4000))
    levels = np.stack([(wave + noise).clip(0, 255).astype(np.uint8) for wave in waves], -1)
    for name, (mode, options) in picture_files().items():
        pixels = {"RGB": levels[..., :3], "RGBA": levels, "L": levels[..., 0], "I;16": levels[..., 0] * np.uint16(257)}
        Image.fromarray(pixels[mode]).save(folder / name, **options)


def model_readers(folder: Path) -> dict[str, Reader]:
    """Models as large as the real ones, and what ships with the package."""
    from ganfit_nb import FaceModel
    from ganfit_nb.assets import asset_path
    from ganfit_nb.geometry.surface import Surface
    from ganfit_nb.model_files.read import read_model_file
    from ganfit_nb.networks.dlib_resnet import DlibResNet
    from ganfit_nb.networks.onnx_recogniser import OnnxRecogniser

    def model(name: str) -> Reader:
        return lambda: read_model_file(folder / name)

    return {
        **{name: model(name) for name in ("bfm.mat", "packed.mat", "bfm.h5", "flame.npz", "flame.pkl", "model.bin")},
        "ict": lambda: read_model_file(folder / "FaceXModel"),
        "recogniser.onnx": lambda: OnnxRecogniser(folder / "recogniser.onnx"),
        "scan.obj": lambda: Surface.read(folder / "scan.obj"),
        "shipped, GAN": lambda: FaceModel.default("gan"),
        "shipped, PCA": lambda: FaceModel.default("pca"),
        "shipped, recogniser": lambda: DlibResNet.load(asset_path("dlib_resnet.safetensors")),
    }


def write_models(folder: Path) -> None:
    sys.path.insert(0, str(HERE / "tests"))
    import model_writers
    import trimesh
    from iresnet import IResNet, export
    from scipy.io import loadmat, savemat

    random = np.random.default_rng(0)

    def source(vertices: int, identity: int, expression: int) -> model_writers.Source:
        def drawn(*shape: int) -> np.ndarray:
            return random.uniform(0.5, 1, (*shape, vertices, 3)).astype(np.float32)

        faces = random.integers(0, vertices, (2 * vertices, 3))
        modes = drawn(identity) / 10, drawn(expression) / 10
        return model_writers.Source(drawn(), *modes, faces, drawn(), drawn(2) / 10, faces)

    basel = source(53_490, 199, 0)
    model_writers.lsfm(folder, basel).rename(folder / "bfm.mat")
    content = {name: values for name, values in loadmat(folder / "bfm.mat").items() if not name.startswith("__")}
    savemat(folder / "packed.mat", content, do_compression=True)
    model_writers.bfm2017(folder, source(53_149, 199, 100)).rename(folder / "bfm.h5")
    flame = source(5023, 300, 100)
    model_writers.flame_npz(folder, flame).rename(folder / "flame.npz")
    model_writers.flame_pickle(folder, flame).rename(folder / "flame.pkl")
    model_writers.eos(folder, source(3448, 63, 6))
    model_writers.ict_facekit(folder, source(26_719, 3, 3))
    export(IResNet.random(50), folder / "recogniser.onnx", 13)
    trimesh.creation.icosphere(6).export(folder / "scan.obj")


READERS = [image_readers, model_readers]  # from a folder with the files to the readers by name
WRITERS = [write_pictures, write_models]


def measure(folder: Path) -> dict[str, float]:
    """Seconds by reader, the second time it reads."""
    seconds = {}
    for readers in READERS:
        for name, read in readers(folder).items():
            read()
            start = time.perf_counter()
            read()
            seconds[name] = time.perf_counter() - start
    return seconds


def measured_in(checkout: Path, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=folder)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--other", type=Path, help="a checkout to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    checkouts = [HERE, *([options.other.resolve()] if options.other else [])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for write in WRITERS:
            write(folder)
        rounds = [[measured_in(checkout, folder) for checkout in checkouts] for _ in range(options.rounds)]
    print(f"{'file':24} {'ms':>8}" + (f" {'other':>8} {'ratio':>6}" if options.other else ""))
    for name in rounds[0][0]:
        medians = [1000 * statistics.median(turn[k][name] for turn in rounds) for k in range(len(checkouts))]
        ratio = f" {medians[0] / medians[1]:6.2f}" if options.other else ""
        print(f"{name:24} " + " ".join(f"{value:8.1f}" for value in medians) + ratio)


if __name__ == "__main__":
    main()
