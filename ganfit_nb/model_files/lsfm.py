"""Reads the Large Scale Facial Model (Booth et al. 2016), which the paper uses, from the .mat of its authors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganfit_nb.model_files.model_file import ModelFile, modes, no_modes, vectors


def read_lsfm(content: dict[str, Any]) -> ModelFile:
    """The model, from mean, components (columns), eigenvalues and trilist (from 0).

    It has no expressions and no colours.
    """
    mean = vectors(content["mean"])
    return ModelFile(
        kind="Large Scale Facial Model",
        mean=mean,
        identity=modes(content["components"], np.sqrt(content["eigenvalues"].ravel()), len(mean)),
        expression=no_modes(len(mean)),
        faces=content["trilist"].astype(np.int64),
    )
