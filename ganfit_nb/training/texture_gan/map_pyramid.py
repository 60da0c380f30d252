"""A corpus at every resolution that a progressive GAN grows through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy import ndarray
from tqdm import tqdm

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.outputs import replaced
from ganfit_nb.networks.progressive_generator import COARSE
from ganfit_nb.training.skin.map_file import open_maps, write_maps

CHUNK = 64  # maps read at once


def pyramid(path: Path) -> dict[int, ndarray]:
    """The maps of a corpus (N, R, R, 3) at every power of two from COARSE to R, by resolution.

    Smaller maps are area averages. They are made once and kept beside the file. GanfitError when a file of their name
    is not made of this corpus.
    """
    maps = open_maps(path)
    levels = {}
    while True:
        levels[maps.shape[1]] = maps
        side = maps.shape[1] // 2
        if side < COARSE:
            return levels
        smaller = path.with_name(f"{path.stem}_{side}.npy")
        if not smaller.exists():
            with replaced(smaller) as work:
                write_maps(work, len(maps), side, _halved(maps))
        elif open_maps(smaller).shape != (len(maps), side, side, 3) or _changed(smaller) < _changed(path):
            raise GanfitError(f"{smaller} was not made of {path}; move it away.")
        maps = open_maps(smaller)


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _halved(maps: ndarray) -> Iterator[ndarray]:
    for start in tqdm(range(0, len(maps), CHUNK), desc=f"{maps.shape[1] // 2}² maps"):
        part = np.asarray(maps[start : start + CHUNK], np.uint16)
        total = part[:, ::2, ::2] + part[:, 1::2, ::2] + part[:, ::2, 1::2] + part[:, 1::2, 1::2]
        yield (total + 2) // 4
