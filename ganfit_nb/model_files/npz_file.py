"""Reads arrays of numbers from numpy's .npz archives. All sizes are checked before anything is unpacked."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy import ndarray as Array
from numpy.lib import format as npy

from ganfit_nb.files.reading import reading
from ganfit_nb.model_files.model_file import INFLATED, MAXIMUM_BYTES


def load_npz(path: Path, names: Sequence[str]) -> dict[str, Array]:
    """The arrays in the archive that have one of these names, by name. Nothing else in it is read.

    Raises GanfitError when it is damaged, when one of them is no array of numbers, or when all together have more than
    MAXIMUM_BYTES.
    """
    with (
        reading(path, "is no complete archive of arrays; download it again.", MAXIMUM_BYTES),
        zipfile.ZipFile(path) as archive,
    ):
        members = {info.filename: info for info in archive.infolist()}
        wanted = {name: members[f"{name}.npy"] for name in names if f"{name}.npy" in members}
        if sum(info.file_size for info in wanted.values()) > MAXIMUM_BYTES:
            raise ValueError("too much is packed into the archive")
        return {name: _array(archive, info, path.stat().st_size) for name, info in wanted.items()}


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int) -> Array:
    """One array of an archive of `size` bytes. Raises ValueError when its sizes contradict each other."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("packed in a way that numpy does not use")
    if info.file_size > INFLATED * min(info.compress_size, size):
        raise ValueError("larger than what is packed can become")
    with archive.open(info) as member:
        version = npy.read_magic(member)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, by_columns, dtype = read_header(member)
        if dtype.kind not in "biuf" or min(shape, default=0) < 0:
            raise ValueError("not an array of numbers")
        count = math.prod(shape)
        data = member.read(info.file_size)
    if len(data) != count * dtype.itemsize:
        raise ValueError("the numbers do not fill the shape")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if by_columns else "C")
