"""Every reader of foreign files, and small valid files to begin from, made on the spot."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import model_writers
import numpy as np

DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class Seed:
    """A valid file. Its mutations are written to `path`, among the files that belong to it; `read` is called with
    `opened`, the file or folder that a user would name."""

    path: Path
    data: bytes
    read: Callable[[Path], Any]
    opened: Path

    @classmethod
    def of(cls, path: Path, read: Callable[[Path], Any], opened: Path | None = None) -> Seed:
        """The seed of a file that was just written."""
        return cls(path, path.read_bytes(), read, opened or path)


# --- pictures and landmarks ------------------------------------------------------------------------------------------


def read_image(path: Path) -> Any:
    from ganfit_nb.photos.image_file import read_image

    return read_image(path)


def pictures(folder: Path) -> Sequence[Seed]:
    """Every format and mode that Pillow writes and a photo may have."""
    from PIL import Image, features

    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    picture = coarse.resize((40, 36), Image.Resampling.BILINEAR)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x8298] = 6, "a face", "nobody"
    exif.get_ifd(0x8769)[0x9003] = "2026:11:27 12:00:00"
    wide = Image.fromarray(random.integers(0, 65536, (36, 40), dtype=np.uint16))
    kinds: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "a.jpg": (picture, {"exif": exif, "quality": 80}),
        "progressive.jpg": (picture, {"progressive": True, "icc_profile": b"x" * 200}),
        "cmyk.jpg": (picture.convert("CMYK"), {}),
        "a.png": (picture, {"exif": exif}),
        "palette.png": (picture.convert("P"), {"transparency": 0}),
        "alpha.png": (picture.convert("RGBA"), {}),
        "wide.png": (wide, {}),
        "a.webp": (picture, {"exif": exif}),
        "lossless.webp": (picture.convert("RGBA"), {"lossless": True}),
        "a.tif": (picture, {"compression": "tiff_lzw", "exif": exif}),
        "jpeg.tif": (picture, {"compression": "jpeg"}),
        "deflate.tif": (picture, {"compression": "tiff_adobe_deflate"}),
        "wide.tif": (wide, {}),
        "a.gif": (picture.convert("P"), {}),
        "a.bmp": (picture, {}),
        "palette.bmp": (picture.convert("P"), {}),
    }
    if features.check("avif"):
        kinds["a.avif"] = (picture, {"exif": exif})
    for name, (image, options) in kinds.items():
        image.save(folder / name, **options)
    shutil.copy(DATA / "turned.heic", folder)  # which Pillow does not write
    return [Seed.of(path, read_image) for path in sorted(folder.iterdir())]


def read_landmarks(path: Path) -> Any:
    from ganfit_nb.photos.landmark_file import read_landmarks

    return read_landmarks(path)


def landmarks(folder: Path) -> Sequence[Seed]:
    """Both kinds of landmark files."""
    points = np.random.default_rng(0).uniform(0, 100, (68, 2)).round(2).tolist()
    lines = "\n".join(f"{x} {y}" for x, y in points)
    (folder / "a.pts").write_text(f"version: 1\nn_points: 68\n{{\n{lines}\n}}\n")
    (folder / "list.json").write_text(json.dumps(points))
    (folder / "object.json").write_text(json.dumps({"landmarks": points, "note": "by hand"}))
    return [Seed.of(path, read_landmarks) for path in sorted(folder.iterdir())]


def read_record(out: Path) -> Any:
    from ganfit_nb.batches.batch import Task, finished
    from ganfit_nb.results.recipe import Recipe

    return finished(Task("a", out / "photo.png", out, Recipe()))


def records(folder: Path) -> Sequence[Seed]:
    """What an earlier batch says of a photo."""
    from ganfit_nb.results.recipe import Recipe

    recipe = Recipe()
    record = {
        **dict.fromkeys(("identity_distance", "landmark_error", "seconds"), 0.5),
        **recipe.settings(),
        "interrupted": False,
        "parameters": {},
    }
    (folder / "photo.png").touch()
    (folder / "a").mkdir()
    path = folder / "a" / "fit.json"
    path.write_text(json.dumps(record))
    return [Seed.of(path, read_record, folder)]


# --- morphable models ------------------------------------------------------------------------------------------------


def read_model(path: Path) -> Any:
    from ganfit_nb.model_files.read import read_model_file

    return read_model_file(path)


def basel(folder: Path) -> Sequence[Seed]:
    """Basel's own file with its companions, face3d's and Deng's."""
    source = model_writers.Source.tiny()
    seeds = []
    for write in (model_writers.bfm2009, model_writers.face3d, model_writers.deng, model_writers.lsfm):
        place = folder / write.__name__
        place.mkdir()
        path = write(place, source)
        seeds.append(Seed.of(path, read_model))
        if write is model_writers.bfm2009:
            seeds += [
                Seed.of(place / name, read_model, path) for name in ("Exp_Pca.bin", "std_exp.txt", "BFM_exp_idx.mat")
            ]
    seeds += [Seed.of(path, read_model) for path in _big_endian_and_packed(folder, source)]
    return seeds


def _big_endian_and_packed(folder: Path, source: model_writers.Source) -> list[Path]:
    from scipy.io import loadmat, savemat

    content = loadmat(model_writers.lsfm(folder, source))
    packed = folder / "packed.mat"
    savemat(packed, {k: v for k, v in content.items() if not k.startswith("__")}, do_compression=True)
    return [packed]


def basel_hdf5(folder: Path) -> Sequence[Seed]:
    """BFM 2017: plain, and chunked and deflated in the oldest and in the newest layout of HDF5."""
    import h5py

    plain = model_writers.bfm2017(folder, model_writers.Source.tiny())
    paths = [plain]
    for version in ("earliest", "latest"):
        paths.append(folder / f"{version}.h5")
        with h5py.File(plain) as old, h5py.File(paths[-1], "w", libver=version) as new:

            def copy(name: str, item: Any, new: Any = new) -> None:
                if isinstance(item, h5py.Dataset):
                    options = {"compression": "gzip", "shuffle": True, "fletcher32": True} if item.shape else {}
                    new.create_dataset(name, data=item[()], **options)

            old.visititems(copy)
    return [Seed.of(path, read_model) for path in paths]


def flame_archive(folder: Path) -> Sequence[Seed]:
    """FLAME as npz, stored and deflated."""
    source = model_writers.Source.tiny()
    path = model_writers.flame_npz(folder, source)
    packed = folder / "packed.npz"
    np.savez_compressed(packed, **model_writers.flame_arrays(source))
    return [Seed.of(each, read_model) for each in (path, packed)]


def flame_pickle(folder: Path) -> Sequence[Seed]:
    """FLAME's pickles: as released, and saved again by numpy in every protocol."""
    import pickle

    source = model_writers.Source.tiny()
    paths = [model_writers.flame_pickle(folder, source)]
    for protocol in (2, 4, 5):
        paths.append(folder / f"protocol{protocol}.pkl")
        paths[-1].write_bytes(pickle.dumps(model_writers.flame_arrays(source), protocol=protocol))
    return [Seed.of(path, read_model) for path in paths]


def facekit(folder: Path) -> Sequence[Seed]:
    """ICT-FaceKit: the neutral mesh and a shape."""
    place = model_writers.ict_facekit(folder, model_writers.Source.tiny())
    files = (place / "FaceXModel" / name for name in ("generic_neutral_mesh.obj", "identity001.obj"))
    return [Seed.of(path, read_model, place) for path in files]


def eos(folder: Path) -> Sequence[Seed]:
    """eos's archives."""
    path = model_writers.eos(folder, model_writers.Source.tiny())
    seeds = [Seed.of(path, read_model)]
    for name in ("eos_pca.bin", "eos_blendshapes.bin"):
        shutil.copy(DATA / name, folder)
        seeds.append(Seed.of(folder / name, read_model))
    return seeds


# --- networks and tensors --------------------------------------------------------------------------------------------


def read_recogniser(path: Path) -> Any:
    from ganfit_nb.networks.arcface import load_arcface

    return load_arcface(str(path))


def recogniser(folder: Path) -> Sequence[Seed]:
    """A small network of the kind that ArcFace is."""
    return [Seed.of(model_writers.onnx_recogniser(folder), read_recogniser)]


def tensors(folder: Path) -> Sequence[Seed]:
    """Everything of ours that is saved as safetensors."""
    import torch
    from safetensors.torch import save_file

    from ganfit_nb.face.gan_texture import GanTexture
    from ganfit_nb.face.morphable import MorphableModel
    from ganfit_nb.face.texture import PcaTexture
    from ganfit_nb.networks.progressive_generator import Generator
    from ganfit_nb.parameters import FaceParameters

    FaceParameters(*(torch.zeros(n) for n in (10, 5, 8, 7, 9))).save(folder / "parameters.safetensors")
    GanTexture(Generator(64, 2, 128, 64, 64)).save(folder / "gan.safetensors")
    save_file(model_writers.pca_tensors(), folder / "pca.safetensors")
    save_file(model_writers.morphable_tensors(), folder / "morphable.safetensors")
    loaders: dict[str, Callable[[Path], Any]] = {
        "parameters": FaceParameters.load,
        "gan": GanTexture.load,
        "pca": PcaTexture.load,
        "morphable": MorphableModel.load,
    }
    return [Seed.of(folder / f"{name}.safetensors", load) for name, load in loaders.items()]


# --- evaluation ------------------------------------------------------------------------------------------------------


def read_pairs(path: Path) -> Any:
    from ganfit_nb.evaluation.lfw import read_pairs

    return read_pairs(path)


def pairs(folder: Path) -> Sequence[Seed]:
    """LFW's pairs.txt."""
    path = folder / "pairs.txt"
    path.write_text("2\t2\n" + ("Ann\t1\t2\nBob\t1\t3\n" + "Ann\t1\tBob\t2\nCarl\t1\tAnn\t3\n") * 2)
    return [Seed.of(path, read_pairs)]


def read_mesh(path: Path) -> Any:
    from ganfit_nb.geometry.surface import Surface

    return Surface.read(path)


def meshes(folder: Path) -> Sequence[Seed]:
    """Scans in the formats that are read."""
    import trimesh

    mesh = trimesh.creation.icosphere(1)
    for name in ("a.obj", "a.ply", "a.stl", "a.off"):
        mesh.export(folder / name)
    (folder / "ascii.ply").write_bytes(trimesh.exchange.ply.export_ply(mesh, encoding="ascii"))
    (folder / "ascii.stl").write_text(trimesh.exchange.stl.export_stl_ascii(mesh))
    quads = (
        "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvn 0 0 1\nmtllib a.mtl\nusemtl a\no a\nf 1/1/1 2/1/1 3/1/1 4/1/1\n"
    )
    (folder / "quads.obj").write_text(quads)
    return [Seed.of(path, read_mesh) for path in sorted(folder.iterdir())]


READERS: dict[str, Callable[[Path], Sequence[Seed]]] = {
    "images": pictures,
    "landmarks": landmarks,
    "records": records,
    "matlab": basel,
    "hdf5": basel_hdf5,
    "npz": flame_archive,
    "pickle": flame_pickle,
    "ict": facekit,
    "eos": eos,
    "onnx": recogniser,
    "safetensors": tensors,
    "pairs": pairs,
    "meshes": meshes,
}
