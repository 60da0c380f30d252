"""Reads arrays from an HDF5 file in a process of its own: python hdf5_process.py FILE NAME …

Damaged files can crash libhdf5: one of 30,000 randomly changed files did. A crash ends only this process, which loads
nothing but h5py and numpy. For every NAME that the file has, one line of JSON goes to standard output. It holds "name",
"dtype", "shape" and "offset", the place in the file where the array's bytes begin. The offset is null when the bytes
lie in pieces or compressed; then they follow the line. The exit code is 0 if all went well.

A name is a path through groups of the same file to plain numbers that are stored in it. Only hard links are followed.
"""

from __future__ import annotations

import json
import math
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

MAXIMUM_BYTES = 2**30  # of all arrays together
INFLATED = 1032  # deflate makes at most so many bytes of one
FILTERS = {1, 2, 3}  # numbers of deflate, shuffle and Fletcher's checksum in HDF5
ADDRESS_SPACE = 4 * 2**30  # bytes of memory that this process may use


def send(path: str, names: list[str], out: BinaryIO) -> None:
    """Writes the arrays to `out`. Raises any exception when the file is not as it should be."""
    import h5py

    left = MAXIMUM_BYTES
    with h5py.File(path, "r") as file:
        for name in names:
            dataset = _found(file, name)
            if dataset is None:
                continue
            left -= _checked_size(dataset)
            if left < 0:
                raise ValueError("too many numbers")
            offset = dataset.id.get_offset()
            header = {"name": name, "dtype": dataset.dtype.str, "shape": dataset.shape, "offset": offset}
            out.write(json.dumps(header).encode() + b"\n")
            if offset is None:
                out.write(dataset[()].tobytes())


def _found(group, name: str):  # type: ignore[no-untyped-def]
    """The data set of that name, or None. Raises ValueError for a link to another file or to another name."""
    import h5py

    for part in name.split("/"):
        if not isinstance(group, h5py.Group) or part not in group:
            return None
        if type(group.get(part, getlink=True)) is not h5py.HardLink:
            raise ValueError("a link")
        group = group[part]
    return group


def _checked_size(dataset) -> int:  # type: ignore[no-untyped-def]
    """The size of the array in bytes.

    Raises ValueError when it is no array of numbers, when it lies in another file, or when it claims to be larger than
    its stored bytes can become.
    """
    plan = dataset.id.get_create_plist()
    filters = {plan.get_filter(k)[0] for k in range(plan.get_nfilters())}
    size, stored = math.prod(dataset.shape) * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if dataset.dtype.kind not in "iuf" or dataset.ndim > 2 or dataset.external or dataset.is_virtual:
        raise ValueError("not an array of numbers in this file")
    if filters - FILTERS or size > INFLATED * stored:
        raise ValueError("packed in an unusual way")
    if dataset.chunks and math.prod(dataset.chunks) * dataset.dtype.itemsize > MAXIMUM_BYTES:
        raise ValueError("chunks that are too large")
    return size


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limit, and a lower one may be set already
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, resource.getrlimit(resource.RLIMIT_AS)[1]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    with suppress(ValueError):
        sys.path.remove(str(Path(__file__).parent))  # its modules must not hide others of their name
    _limit_memory()
    try:
        send(sys.argv[1], sys.argv[2:], sys.stdout.buffer)
    except Exception:  # h5py fails in many ways on damaged files; the other process reports it
        sys.exit(1)
