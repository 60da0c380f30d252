"""Reads the Basel Face Model 2009 (Paysan et al. 2009) from MATLAB files, with its common sets of expressions.

These files are known:

* `01_MorphableModel.mat`, as Basel gives it, holds shapeMU, shapePC, shapeEV, texMU, texPC, texEV and tl (from 1), in
  micrometres. The expressions of Guo et al. 2018 are added when `Exp_Pca.bin` and `std_exp.txt` lie beside it. They
  belong to 53,215 of the 53,490 vertices, which `BFM_exp_idx.mat` (trimIndex, from 1) lists.
* `BFM.mat` of face3d holds the same names with expPC and expEV, and tri instead of tl, alone or in a struct `model`.
* `BFM_model_front.mat` of Deng et al. 2019 holds meanshape, idBase, exBase, meantex, texBase and tri, in decimetres.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.reading import reading
from ganfit_nb.model_files.mat_file import load_mat
from ganfit_nb.model_files.model_file import MAXIMUM_BYTES, ModelFile, display_range, modes, no_modes, vectors

KIND = "Basel Face Model 2009"


def read_bfm2009(path: Path, content: dict[str, Any]) -> ModelFile:
    """The model in a loaded MATLAB file. Raises KeyError or ValueError when arrays are missing or do not fit."""
    if "idBase" in content:
        return _read_front(content)
    content = _unwrapped(content)
    mean = vectors(content["shapeMU"])
    count = len(mean)
    triangles = content["tl"] if "tl" in content else content["tri"]
    expression = no_modes(count)
    if "expPC" in content:
        expression = modes(content["expPC"], content["expEV"], count)
    elif (path.parent / "Exp_Pca.bin").is_file():
        expression = _guo_expressions(path.parent, count)
    return ModelFile(
        kind=KIND,
        mean=mean,
        identity=modes(content["shapePC"], content["shapeEV"], count),
        expression=expression,
        faces=_triangles(triangles),
        colour=display_range(vectors(content["texMU"], count), modes(content["texPC"], content["texEV"], count)),
    )


def _read_front(content: dict[str, Any]) -> ModelFile:
    """The cropped model of Deng et al., whose modes are stored multiplied by their standard deviations."""
    mean = vectors(content["meanshape"])
    count = len(mean)

    def scaled(name: str) -> Float[Array, "K V 3"]:
        return modes(content[name], np.ones(content[name].shape[1]), count)

    return ModelFile(
        kind=KIND,
        mean=mean,
        identity=scaled("idBase"),
        expression=scaled("exBase"),
        faces=_triangles(content["tri"]),
        colour=display_range(vectors(content["meantex"], count), scaled("texBase")),
    )


def _triangles(stored: Array) -> Array:
    """Triangles as rows of three indices from 0. face3d stores them as columns."""
    rows = stored if stored.shape[1] == 3 else stored.T
    return rows.astype(np.int64) - 1


def _unwrapped(content: dict[str, Any]) -> dict[str, Any]:
    """The arrays of the model. face3d keeps them in a struct, the others at the top."""
    model = content.get("model")
    return model if isinstance(model, dict) else content


def _guo_expressions(folder: Path, count: int) -> Float[Array, "E V 3"]:
    """Expression modes. Exp_Pca.bin holds their number (int32), a mean offset that its authors do not use, and them."""
    path = folder / "Exp_Pca.bin"
    kind = "the expressions of the Basel Face Model"
    with reading(path, f"looks like {kind}, but its length does not fit its modes; download it again.", MAXIMUM_BYTES):
        data = path.read_bytes()
        number = int.from_bytes(data[:4], "little")
        values = np.frombuffer(data, "<f4", offset=4)
        used, rest = divmod(len(values), 3 * (number + 1))
        if number < 1 or used < 1 or rest or 12 * number * count > MAXIMUM_BYTES:
            raise ValueError("lengths that do not fit")
    with _beside(folder, "std_exp.txt") as file:
        basis = modes(values[3 * used :].reshape(number, -1).T, _text_numbers(file), used)
    if used == count:
        return basis
    with _beside(folder, "BFM_exp_idx.mat") as file:
        listed = load_mat(file)["trimIndex"].ravel().astype(np.int64) - 1
        if listed.min() < 0:
            raise ValueError("a vertex that there is not")
        spread = np.zeros((number, count, 3), dtype=np.float32)
        spread[:, listed] = basis
    return spread


@contextmanager
def _beside(folder: Path, name: str) -> Iterator[Path]:
    """The path of a companion file, to be read within the block. Raises GanfitError when it is missing or wrong."""
    path = folder / name
    if not path.exists():
        raise GanfitError(f"Exp_Pca.bin needs {name} beside it; put it into {folder}.")
    with reading(path, "does not fit Exp_Pca.bin beside it; download both again.", MAXIMUM_BYTES):
        yield path


def _text_numbers(path: Path) -> Float[Array, " N"]:
    return np.array(path.read_text(encoding="utf-8").split(), dtype=np.float32)
