"""Reads arrays from HDF5 files. h5py runs in another process, because a damaged file may crash it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import Timer
from typing import IO

import numpy as np
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.reading import reading
from ganfit_nb.model_files.model_file import MAXIMUM_BYTES

PROGRAM = Path(__file__).with_name("hdf5_process.py")
SECONDS = 300.0  # after this time the reading process is ended; even a slow disk is done by then
HEADER = 1000  # largest size in bytes of a line that describes an array


def load_hdf5(path: Path, names: Sequence[str]) -> dict[str, Array]:
    """The data sets in the file that have one of these names, by name.

    Raises GanfitError when the file is damaged, when one of them is no array of numbers within the file, or when all
    together have more than MAXIMUM_BYTES. Needs h5py.
    """
    if find_spec("h5py") is None:
        raise GanfitError('Reading .h5 models needs h5py; run: pip install "ganfit_nb[models]"')
    with (
        reading(path, "is no complete HDF5 file of arrays; download it again.", MAXIMUM_BYTES),
        subprocess.Popen(
            [sys.executable, str(PROGRAM), str(path), *names],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        timer = Timer(SECONDS, process.kill)
        timer.start()
        try:
            assert process.stdout is not None
            content = _arrays(process.stdout, path)
            if process.wait() != 0:
                raise ValueError("the reader failed")
        finally:
            timer.cancel()
            process.kill()
    return content


def _arrays(stream: IO[bytes], path: Path) -> dict[str, Array]:
    """The arrays that the reading process describes.

    Their numbers are read from the file itself where they lie in one piece, and else from the process.
    """
    content, left, size = {}, MAXIMUM_BYTES, path.stat().st_size
    while line := stream.readline(HEADER):
        header = json.loads(line)
        dtype, shape, offset = np.dtype(header["dtype"]), tuple(header["shape"]), header["offset"]
        count = math.prod(shape)
        left -= count * dtype.itemsize
        if dtype.kind not in "iuf" or left < 0 or (offset is not None and offset + count * dtype.itemsize > size):
            raise ValueError("not an array of numbers")
        if offset is None:
            values = np.frombuffer(stream.read(count * dtype.itemsize), dtype)
        else:
            values = np.fromfile(path, dtype, count, offset=offset)
        content[header["name"]] = values.reshape(shape).astype(dtype.newbyteorder("="), copy=False)
    return content
