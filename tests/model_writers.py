"""Writes a face model in the formats that people have, in each format's own units, order and winding."""

from __future__ import annotations

import json
import pickle
import struct
import sys
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from ganfit_nb.face.morphable import MorphableModel

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

    @classmethod
    def tiny(cls) -> Source:
        """A few points that no face is found on: enough for readers, and quick."""
        generator = np.random.default_rng(0)
        count = 6

        def drawn(*shape: int) -> np.ndarray:
            return generator.uniform(1.0, 2.0, (*shape, count, 3)).astype(np.float32)

        faces = np.array([[0, 1, 2], [0, 2, 3], [3, 4, 5]])
        return cls(drawn() * 50, drawn(3), drawn(2), faces, drawn() / 2, drawn(2) / 9, np.arange(count))


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
    expression[: len(source.expression)] = source.expression
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


def mat5(path: Path, arrays: dict[str, np.ndarray], order: str = "<", packed: bool = False) -> Path:
    """A MATLAB file of level 5 in either order of bytes, which scipy writes in this machine's alone."""
    numbers = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 9, "i8": 12, "u8": 13}
    classes = {"f8": 6, "f4": 7, "i1": 8, "u1": 9, "i2": 10, "u2": 11, "i4": 12, "u4": 13, "i8": 14, "u8": 15}

    def element(kind: int, data: bytes) -> bytes:
        if 0 < len(data) <= 4:
            return struct.pack(order + "I", kind | len(data) << 16) + data.ljust(4, b"\0")
        return struct.pack(order + "II", kind, len(data)) + data + b"\0" * (-len(data) % 8)

    content = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(order + "H", 0x0100) + {"<": b"IM", ">": b"MI"}[order]
    for name, values in arrays.items():
        code = values.dtype.str[1:]
        parts = (
            (6, struct.pack(order + "II", classes[code], 0)),
            (5, struct.pack(f"{order}{values.ndim}i", *values.shape)),
            (1, name.encode()),
            (numbers[code], values.astype(order + code).tobytes(order="F")),
        )
        matrix = element(14, b"".join(element(*part) for part in parts))
        pressed = zlib.compress(matrix)
        content += struct.pack(order + "II", 15, len(pressed)) + pressed if packed else matrix
    path.write_bytes(content)
    return path


def onnx_recogniser(folder: Path) -> Path:
    """A recogniser of two stages with the operations that the real ones have, and little to compute."""
    from onnx import TensorProto, helper, numpy_helper

    generator = np.random.default_rng(0)

    def weights(**shapes: tuple[int, ...]) -> list[Any]:
        return [numpy_helper.from_array(generator.uniform(0.1, 1, s).astype(np.float32), n) for n, s in shapes.items()]

    stage = [
        ("Conv", ["{x}", "{k}w", "{k}b"], {"strides": [8, 8], "pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}),
        ("BatchNormalization", ["{k}0", "{k}s", "{k}b", "{k}b", "{k}s"], {"epsilon": 1e-5}),
        ("PRelu", ["{k}1", "{k}p"], {}),
        ("Add", ["{k}0", "{k}2"], {}),
    ]
    nodes = [
        helper.make_node(operation, [name.format(k=k, x=x) for name in inputs], [f"{k}{number}"], **attributes)
        for k, x in (("a", "picture"), ("b", "a3"))
        for number, (operation, inputs, attributes) in enumerate(stage)
    ]
    nodes += [
        helper.make_node("Shape", ["b3"], ["shape"]),
        helper.make_node("Constant", [], ["zero"], value=numpy_helper.from_array(np.array(0))),
        helper.make_node("Constant", [], ["rest"], value=numpy_helper.from_array(np.array([-1]))),
        helper.make_node("Gather", ["shape", "zero"], ["batch"], axis=0),
        helper.make_node("Unsqueeze", ["batch"], ["batches"], axes=[0]),
        helper.make_node("Concat", ["batches", "rest"], ["flat"], axis=0),
        helper.make_node("Reshape", ["b3", "flat"], ["row"]),
        helper.make_node("Gemm", ["row", "g"], ["embedding"], transB=1),
    ]
    constants = weights(aw=(2, 3, 3, 3), bw=(2, 2, 3, 3), g=(4, 8))
    for k in "ab":
        constants += weights(**{f"{k}b": (2,), f"{k}s": (2,), f"{k}p": (2, 1, 1)})
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("picture", [None, 3, 112, 112]), ("embedding", [None, 4]))
    ]
    model = helper.make_model(helper.make_graph(nodes, "recogniser", ends[:1], ends[1:], constants))
    (folder / "recogniser.onnx").write_bytes(model.SerializeToString())
    return folder / "recogniser.onnx"


def pca_tensors() -> dict[str, torch.Tensor]:
    """What PcaTexture.load reads: 3 modes, maps of 8×8 texels."""
    torch.manual_seed(0)
    stored = {"mean": torch.randint(0, 256, (8, 8, 3), dtype=torch.uint8)}
    for name, width in (("luma", 16), ("chroma", 8)):
        stored[f"{name}_fine"] = torch.randint(-128, 128, (1, width), dtype=torch.int8)
        stored[f"{name}_rest"] = torch.randint(0, 256, (2, width // 2), dtype=torch.uint8)
        stored[f"{name}_scale"] = torch.rand(3)
    return stored


def morphable_tensors() -> dict[str, torch.Tensor]:
    """What MorphableModel.load reads: 6 vertices, one triangle."""
    torch.manual_seed(0)
    stored = {
        "mean": torch.rand(6, 3),
        "identity_fine": torch.rand(2, 6, 3).half(),
        "identity_rest": torch.ones(1, 6, 3, dtype=torch.int8),
        "identity_scale": torch.rand(1),
        "expression_basis": torch.rand(2, 6, 3).half(),
        "faces": torch.tensor([[0, 1, 2]], dtype=torch.int32),
        "uv": torch.rand(6, 2),
        "dense_weight": torch.rand(478),
        "contour": torch.zeros(17, 2, dtype=torch.int32),
        "contour_direction": torch.rand(17, 2),
        "face_region": torch.ones(6, dtype=torch.uint8),
        "pixel_region": torch.rand(6),
        "actions": torch.rand(52, 2),
    }
    for name, count in (("landmarks", 68), ("dense_landmarks", 478)):
        stored[f"{name}.corners"] = torch.zeros(count, 3, dtype=torch.int32)
        stored[f"{name}.bary"] = torch.full((count, 3), 1 / 3)
    return stored


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
