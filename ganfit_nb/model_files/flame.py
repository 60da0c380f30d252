"""Reads FLAME 2020 and 2023 (Li et al. 2017) from .pkl or .npz: shape and expression modes, and a mode for the jaw.

FLAME opens the mouth by turning the jaw about its hinge. No expression mode of its own does this. So the last
expression mode here is that turn to first order: weight · (ω × (v − joint)), with the model's own blend weights.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from ganfit_nb.model_files.model_file import ModelFile, vectors
from ganfit_nb.model_files.npz_file import load_npz
from ganfit_nb.model_files.restricted_pickle import Stored, as_array, load_pickle

KIND = "FLAME"
ARRAYS = ("v_template", "shapedirs", "weights", "J_regressor", "f")
EXPRESSIONS = 100  # the last modes of shapedirs in the 2020 and 2023 releases, which have 300 + 100
JAW_JOINT = 2  # index among the joints: root, neck, jaw, eyes
JAW_SD = 0.15  # rad, for one standard deviation; a wide open mouth is at 0.5


def read_flame(path: Path) -> ModelFile:
    """The model in a file.

    Raises KeyError, TypeError or ValueError when arrays are missing, and GanfitError for a hostile pickle.
    """
    stored = load_npz(path, ARRAYS) if zipfile.is_zipfile(path) else load_pickle(path)
    mean = vectors(as_array(stored["v_template"]))
    basis = as_array(stored["shapedirs"]).astype(np.float32).transpose(2, 0, 1)  # (K, V, 3)
    if basis.shape[1:] != mean.shape or len(basis) <= EXPRESSIONS:
        raise ValueError("shapedirs")
    jaw = _jaw_turn(mean, as_array(stored["weights"])[:, JAW_JOINT], _joint(stored["J_regressor"], mean))
    return ModelFile(
        kind=KIND,
        mean=mean,
        identity=np.ascontiguousarray(basis[:-EXPRESSIONS]),
        expression=np.concatenate([basis[-EXPRESSIONS:], jaw[None]]),
        faces=as_array(stored["f"]).astype(np.int64),
    )


def _joint(regressor: Any, mean: Float[Array, "V 3"]) -> Float[Array, " 3"]:
    """The place of the jaw's hinge: a weighted mean of the vertices.

    The weights are a dense matrix, or scipy's sparse matrix of compressed columns.
    """
    if not isinstance(regressor, Stored) or "indptr" not in regressor.attributes:
        return as_array(regressor)[JAW_JOINT] @ mean
    parts = regressor.attributes
    starts, rows = (as_array(parts[name]).astype(np.int64) for name in ("indptr", "indices"))
    weights = as_array(parts["data"])
    counts = np.diff(starts).astype(np.int64)
    if len(counts) != len(mean) or (counts < 0).any() or counts.sum() != len(rows):
        raise ValueError("J_regressor")
    columns = np.repeat(np.arange(len(mean)), counts)
    of_jaw = rows == JAW_JOINT
    return weights[of_jaw] @ mean[columns[of_jaw]]


def _jaw_turn(mean: Float[Array, "V 3"], weight: Float[Array, " V"], joint: Float[Array, " 3"]) -> Float[Array, "V 3"]:
    turn = np.cross(np.array([JAW_SD, 0.0, 0.0]), mean - joint)
    return (weight[:, None] * turn).astype(np.float32)
