"""MATLAB's .mat files, versions 4 to 7."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganfit_nb.errors import GanfitError


def load_mat(path: Path) -> dict[str, Any]:
    """The variables by name; GanfitError when it is no such file."""
    from scipy.io import loadmat

    try:
        return loadmat(path)
    except Exception as error:  # a damaged file fails in scipy's reader in many ways
        raise GanfitError(f"{path} is no complete MATLAB file of version 7 or before; download it again.") from error
