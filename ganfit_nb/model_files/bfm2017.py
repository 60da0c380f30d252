"""Basel Face Model 2017 and 2019 (Gerig et al. 2018): Statismo's HDF5 layout, with expressions and colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError
from ganfit_nb.model_files.model_file import ModelFile, display_range, modes, no_modes, vectors

KIND = "Basel Face Model 2017"


def read_bfm2017(path: Path) -> ModelFile:
    """The model; KeyError, ValueError or OSError when the file is incomplete. Needs h5py."""
    try:
        import h5py
    except ImportError as error:
        raise GanfitError('Reading .h5 models needs h5py; run: pip install "ganfit_nb[models]"') from error

    with h5py.File(path, "r") as file:
        groups = [name for name in ("shape", "expression", "color") if f"{name}/model" in file]
        means = {name: vectors(file[f"{name}/model/mean"][()]) for name in groups}
        count = len(means["shape"])
        bases = {name: _basis(file[f"{name}/model"], count) for name in groups}
        cells = file["shape/representer/cells"] if "shape/representer" in file else file["representer/cells"]
        faces = np.asarray(cells).astype(np.int64)
    return ModelFile(
        kind=KIND,
        mean=means["shape"] + means.get("expression", np.float32(0)),  # the neutral face is the sum of both means
        identity=bases["shape"],
        expression=bases.get("expression", no_modes(count)),
        faces=faces if faces.shape[1] == 3 else faces.T,
        colour=display_range(means["color"], bases["color"]) if "color" in groups else None,
    )


def _basis(model: Any, count: int) -> Float[Array, "K V 3"]:
    return modes(model["pcaBasis"][()], np.sqrt(model["pcaVariance"][()]), count)
