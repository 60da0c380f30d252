"""Writes a face model in the formats that people have, in each format's own units, order and winding."""

from __future__ import annotations

import json
import pickle
import struct
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from ganfit_nb.morphable import MorphableModel

IDENTITY, EXPRESSION, COLOUR = 10, 5, 3


@dataclass(frozen=True)
class Source:
    """A small model in mm: the shipped one with a few modes, its vertices in another order, and made-up colours."""

    mean: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    faces: np.ndarray
    colour: np.ndarray
    colour_basis: np.ndarray
    order: np.ndarray

    @classmethod
    def make(cls) -> Source:
        model = MorphableModel.default()
        generator = np.random.default_rng(0)
        order = generator.permutation(len(model.mean))
        height = model.mean[:, 1].numpy()[order, None]
        return cls(
            mean=model.mean.numpy()[order],
            identity=model.identity_basis.numpy()[:IDENTITY, order],
            expression=model.expression_basis.numpy()[:EXPRESSION, order],
            faces=np.argsort(order)[model.faces.numpy()],
            colour=(np.array([0.75, 0.55, 0.45]) + 0.001 * height).astype(np.float32),
            colour_basis=np.stack([np.full((len(order), 3), 0.05 * c) for c in np.eye(3)]).astype(np.float32),
            order=order,
        )


def columns(basis: np.ndarray) -> np.ndarray:
    """Modes as the columns of a matrix."""
    return basis.reshape(len(basis), -1).T


def halves(basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of length 1 and their standard deviations."""
    flat = columns(basis)
    deviations = np.linalg.norm(flat, axis=0)
    return flat / deviations, deviations


def bfm2009(folder: Path, source: Source, extra: int = 0) -> Path:
    """01_MorphableModel.mat in micrometres with clockwise triangles from 1; `extra` vertices without expressions."""
    from scipy.io import savemat

    pad = np.zeros((extra, 3)) + source.mean[0]
    shape, deviation = halves(np.pad(source.identity * 1000, ((0, 0), (0, extra), (0, 0))))
    colour, colour_deviation = halves(np.pad(source.colour_basis * 255, ((0, 0), (0, extra), (0, 0))))
    mean = np.concatenate([source.mean, pad]).ravel()[:, None] * 1000
    content = {
        "shapeMU": mean,
        "shapePC": shape,
        "shapeEV": deviation[:, None],
        "texMU": np.concatenate([source.colour, pad * 0]).ravel()[:, None] * 255,
        "texPC": colour,
        "texEV": colour_deviation[:, None],
        "tl": source.faces[:, ::-1] + 1.0,
    }
    savemat(folder / "01_MorphableModel.mat", {k: v.astype(np.float32) for k, v in content.items()})
    expression, deviation = halves(source.expression * 1000)
    body = np.concatenate([np.zeros(3 * len(source.mean)), expression.T.ravel()]).astype("<f4")
    (folder / "Exp_Pca.bin").write_bytes(struct.pack("<i", len(deviation)) + body.tobytes())
    np.savetxt(folder / "std_exp.txt", deviation[None])
    savemat(folder / "BFM_exp_idx.mat", {"trimIndex": np.arange(1, len(source.mean) + 1)[:, None]})
    return folder / "01_MorphableModel.mat"


def face3d(folder: Path, source: Source) -> Path:
    """face3d's BFM.mat: a struct `model` with expressions and triangles as columns."""
    from scipy.io import savemat

    names = ("shape", source.identity * 1000), ("exp", source.expression * 1000), ("tex", source.colour_basis * 255)
    model = {"shapeMU": source.mean.ravel()[:, None] * 1000, "texMU": source.colour.ravel()[:, None] * 255}
    for name, basis in names:
        model[f"{name}PC"], deviation = halves(basis)
        model[f"{name}EV"] = deviation[:, None]
    savemat(folder / "BFM.mat", {"model": {**model, "tri": source.faces.T + 1.0}})
    return folder / "BFM.mat"


def deng(folder: Path, source: Source) -> Path:
    """BFM_model_front.mat, decimetres."""
    from scipy.io import savemat

    content = {
        "meanshape": source.mean.reshape(1, -1) / 100,
        "idBase": columns(source.identity) / 100,
        "exBase": columns(source.expression) / 100,
        "meantex": source.colour.reshape(1, -1) * 255,
        "texBase": columns(source.colour_basis) * 255,
        "tri": source.faces + 1.0,
    }
    savemat(folder / "BFM_model_front.mat", content)
    return folder / "BFM_model_front.mat"


def bfm2017(folder: Path, source: Source) -> Path:
    """Statismo's HDF5: half of the mean lies in the expression model."""
    import h5py

    path = folder / "model2017-1_bfm_nomouth.h5"
    with h5py.File(path, "w") as file:
        parts = (
            ("shape", source.mean * 0.75, source.identity),
            ("expression", source.mean * 0.25, source.expression),
            ("color", source.colour, source.colour_basis),
        )
        for name, mean, basis in parts:
            modes, deviation = halves(basis)
            file[f"{name}/model/mean"] = mean.ravel().astype(np.float32)
            file[f"{name}/model/pcaBasis"] = modes.astype(np.float32)
            file[f"{name}/model/pcaVariance"] = (deviation**2).astype(np.float32)
            file[f"{name}/representer/cells"] = source.faces.T.astype(np.int32)
        file["metadata/landmarks/json"] = json.dumps([])
    return path


def lsfm(folder: Path, source: Source) -> Path:
    """The authors' export from menpo."""
    from scipy.io import savemat

    modes, deviation = halves(source.identity)
    content = {
        "mean": source.mean.ravel()[:, None],
        "components": modes,
        "eigenvalues": deviation**2,
        "trilist": source.faces.astype(np.int32),
        "n_training_samples": 9663,
    }
    savemat(folder / "all_all_all.mat", content)
    return folder / "all_all_all.mat"


def flame_arrays(source: Source) -> dict[str, np.ndarray]:
    """FLAME's arrays in metres: 100 expression modes after those of identity, weights and regressor of five joints."""
    expression = np.zeros((100, *source.mean.shape), np.float32)
    expression[:EXPRESSION] = source.expression
    weights = np.zeros((len(source.mean), 5))
    weights[:, 2] = 1 / (1 + np.exp((source.mean[:, 1] + 45) / 2))  # the jaw: what lies below the lips' line
    weights[:, 0] = 1 - weights[:, 2]
    regressor = np.zeros((5, len(source.mean)))
    regressor[:, np.argsort(np.abs(source.mean[:, 0]))[-20:]] = 1 / 20  # near the ears
    return {
        "v_template": source.mean / 1000,
        "shapedirs": np.concatenate([source.identity, expression]).transpose(1, 2, 0) / 1000,
        "f": source.faces.astype(np.uint32),
        "weights": weights,
        "J_regressor": regressor,
    }


def flame_npz(folder: Path, source: Source) -> Path:
    """The arrays as an archive."""
    np.savez(folder / "flame2023.npz", **flame_arrays(source))
    return folder / "flame2023.npz"


def flame_pickle(folder: Path, source: Source) -> Path:
    """The arrays as released: chumpy objects and a scipy matrix in a pickle of protocol 2, kept by latin-1."""
    from scipy.sparse import csc_matrix

    arrays = flame_arrays(source)
    with chumpy() as ch:
        content = {
            **arrays,
            "v_template": ch.Ch(arrays["v_template"]),
            "shapedirs": ch.Ch(arrays["shapedirs"]),
            "J_regressor": csc_matrix(arrays["J_regressor"]),
            "bs_type": "lrotmin",
        }
        (folder / "generic_model.pkl").write_bytes(pickle.dumps(content, protocol=2))
    return folder / "generic_model.pkl"


@contextmanager
def chumpy():
    """A module `chumpy.ch` whose class Ch pickles as chumpy's does: its attributes, the value in `x`."""
    module = ModuleType("chumpy.ch")

    class Ch:
        def __init__(self, x: np.ndarray):
            self.x = x
            self._dirty_vars = {"x"}
            self._itr = None
            self._depends_on_deps: dict = {}

    Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
    module.Ch = Ch  # type: ignore[attr-defined]
    sys.modules["chumpy"], sys.modules["chumpy.ch"] = ModuleType("chumpy"), module
    try:
        yield module
    finally:
        del sys.modules["chumpy"], sys.modules["chumpy.ch"]


def ict_facekit(folder: Path, source: Source) -> Path:
    """FaceXModel/: the neutral mesh and one OBJ a shape, in centimetres."""
    out = folder / "FaceXModel"
    out.mkdir()
    triangles = "".join(f"f {a}/{a}/{a} {b}/{b}/{b} {c}/{c}/{c}\n" for a, b, c in source.faces + 1)

    def write(name: str, vertices: np.ndarray) -> None:
        lines = "".join(f"v {x:.5f} {y:.5f} {z:.5f}\n" for x, y, z in vertices / 10)
        (out / f"{name}.obj").write_text(f"# {name}\n{lines}vt 0 0\n{triangles}")

    write("generic_neutral_mesh", source.mean)
    for k, shape in enumerate(source.identity):
        write(f"identity{k:03}", source.mean + shape)
    for k, shape in enumerate(source.expression):
        write(f"expression{k}", source.mean + shape / 0.3)
    return folder


def eos(folder: Path, source: Source) -> Path:
    """cereal's binary archive, version 4, with a PCA of expressions."""

    def matrix(values: np.ndarray) -> bytes:
        values = np.atleast_2d(values.T).T.astype("<f4")
        return struct.pack("<ii", *values.shape) + values.T.tobytes()

    def pca(mean: np.ndarray, basis: np.ndarray) -> bytes:
        modes, deviation = halves(basis)
        triangles = struct.pack("<Q", len(source.faces)) + source.faces.astype("<i4").tobytes()
        return matrix(mean.ravel()) + matrix(modes) + matrix(deviation**2) + triangles

    expressions = b"\0" + struct.pack("<i", 0) + pca(source.mean * 0, source.expression)
    tail = b"\1" + struct.pack("<QQ", 0, 0)  # no landmark names, no texture coordinates, no triangles of them
    shape, colour = pca(source.mean, source.identity), pca(source.colour, source.colour_basis)
    (folder / "model.bin").write_bytes(struct.pack("<I", 4) + shape + colour + expressions + tail)
    return folder / "model.bin"


WRITERS = {
    "bfm2009": bfm2009,
    "face3d": face3d,
    "deng": deng,
    "bfm2017": bfm2017,
    "lsfm": lsfm,
    "flame_pickle": flame_pickle,
    "flame_npz": flame_npz,
    "ict_facekit": ict_facekit,
    "eos": eos,
}
UNIT = {"bfm2009": 1e-3, "face3d": 1e-3, "deng": 100, "flame_pickle": 1000, "flame_npz": 1000, "ict_facekit": 10}
COLOURED = ("bfm2009", "face3d", "deng", "bfm2017", "eos")


def as_tensor(values: np.ndarray) -> torch.Tensor:
    """Single precision."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
