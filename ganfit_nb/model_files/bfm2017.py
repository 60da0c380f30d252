"""Reads the Basel Face Model 2017 and 2019 (Gerig et al. 2018), in Statismo's HDF5 layout with expressions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from ganfit_nb.model_files.hdf5_file import load_hdf5
from ganfit_nb.model_files.model_file import ModelFile, display_range, modes, no_modes, vectors

KIND = "Basel Face Model 2017"
PARTS = ("shape", "expression", "color")
ARRAYS = ("mean", "pcaBasis", "pcaVariance")
CELLS = ("shape/representer/cells", "representer/cells")


def read_bfm2017(path: Path) -> ModelFile:
    """The model in a file. Raises KeyError or ValueError when arrays are missing or do not fit together. Needs h5py."""
    stored = load_hdf5(path, [*(f"{part}/model/{name}" for part in PARTS for name in ARRAYS), *CELLS])
    parts = [part for part in PARTS if any(f"{part}/model/{name}" in stored for name in ARRAYS)]
    means = {part: vectors(stored[f"{part}/model/mean"]) for part in {"shape", *parts}}
    count = len(means["shape"])
    bases = {part: _basis(stored, part, count) for part in parts}
    cells = stored[CELLS[0]] if CELLS[0] in stored else stored[CELLS[1]]
    return ModelFile(
        kind=KIND,
        mean=means["shape"] + means.get("expression", np.float32(0)),  # the neutral face is the sum of both means
        identity=bases["shape"],
        expression=bases.get("expression", no_modes(count)),
        faces=(cells if cells.shape[1] == 3 else cells.T).astype(np.int64),
        colour=display_range(means["color"], bases["color"]) if "color" in parts else None,
    )


def _basis(stored: dict[str, Array], part: str, count: int) -> Float[Array, "K V 3"]:
    name = f"{part}/model"
    return modes(stored.pop(f"{name}/pcaBasis"), np.sqrt(stored[f"{name}/pcaVariance"]), count)
