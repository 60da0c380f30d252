"""UV maps on the disk: one NumPy file (N, H, W, 3) uint8. Open it by numpy.load(..., mmap_mode="r").

Maps are written one after the other. A memory map is not used for writing, because on a full disk it kills the process.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.reading import reading

MAPS = "maps.npy"


def open_maps(path: Path) -> UInt8[ndarray, "N H H 3"]:
    """The maps, as a memory map. Raises GanfitError when the file is absent or holds something else."""
    if not path.is_file():
        raise GanfitError(f"There is no corpus at {path}; make one with: ganfit train corpus")
    with reading(path, "holds no UV maps; make a corpus with: ganfit train corpus"):
        maps: ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        if maps.dtype != np.uint8 or maps.ndim != 4 or maps.shape[1] != maps.shape[2] or maps.shape[3] != 3:
            raise ValueError(f"{maps.dtype} {maps.shape}")
        return maps


def write_maps(path: Path, count: int, side: int, parts: Iterable[UInt8[ndarray, "n H H 3"]]) -> None:
    """Writes `count` maps of `side` texels, which `parts` yields some at a time."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, side, side, 3)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part, np.uint8).tobytes())
