"""Basel Face Model 2009 (Paysan et al. 2009) from MATLAB files, with expressions in their common variants.

* `01_MorphableModel.mat` as Basel gives it: shapeMU, shapePC, shapeEV, texMU, texPC, texEV, tl (from 1), micrometres.
  Expressions of Guo et al. 2018 are added when `Exp_Pca.bin` and `std_exp.txt` lie beside it; they belong to the
  53,215 of the 53,490 vertices that `BFM_exp_idx.mat` (trimIndex, from 1) lists.
* the same names with expPC and expEV, and tri for tl, alone or in a struct `model` (face3d's `BFM.mat`).
* `BFM_model_front.mat` of Deng et al. 2019: meanshape, idBase, exBase, meantex, texBase, tri, decimetres.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError
from ganfit_nb.model_files.mat_file import load_mat
from ganfit_nb.model_files.model_file import ModelFile, damaged, display_range, modes, no_modes, vectors

KIND = "Basel Face Model 2009"


def read_bfm2009(path: Path, content: dict[str, Any]) -> ModelFile:
    """The model from a loaded MATLAB file; KeyError or ValueError when arrays are missing or do not fit together."""
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
    """Deng et al.'s cropped model, whose modes carry their standard deviation."""
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
    """Rows of three indices from 0. face3d stores them as columns."""
    rows = stored if stored.shape[1] == 3 else stored.T
    return rows.astype(np.int64) - 1


def _unwrapped(content: dict[str, Any]) -> dict[str, Any]:
    """The arrays, wherever they lie: face3d keeps them in a struct."""
    if "model" not in content:
        return content
    record = content["model"][0, 0]
    return {name: record[name] for name in record.dtype.names}


def _guo_expressions(folder: Path, count: int) -> Float[Array, "E V 3"]:
    """Exp_Pca.bin: int32 number of modes, the mean offset (unused, as by its authors), and mode after mode."""
    path = folder / "Exp_Pca.bin"
    data = path.read_bytes()
    number = int.from_bytes(data[:4], "little")
    values = np.frombuffer(data, "<f4", offset=4) if len(data) % 4 == 0 else np.zeros(0, np.float32)
    if number < 1 or len(values) == 0 or len(values) % (3 * (number + 1)):
        raise damaged(path, "the expressions of the Basel Face Model", "its length does not fit its modes")
    used = len(values) // (3 * (number + 1))
    deviations = _beside(folder, "std_exp.txt", lambda file: np.loadtxt(file, dtype=np.float32).ravel())
    basis = modes(values[3 * used :].reshape(number, -1).T, deviations, used)
    if used == count:
        return basis
    listed = _beside(folder, "BFM_exp_idx.mat", lambda file: load_mat(file)["trimIndex"].ravel().astype(np.int64) - 1)
    spread = np.zeros((number, count, 3), dtype=np.float32)
    spread[:, listed] = basis
    return spread


def _beside(folder: Path, name: str, read: Any) -> Array:
    """A companion file's content; GanfitError that names it when it is missing or damaged."""
    try:
        return read(folder / name)
    except (OSError, ValueError, KeyError) as error:
        raise GanfitError(f"Exp_Pca.bin needs {name} beside it; put it into {folder}.") from error
