"""Reads MATLAB's .mat files of level 5 (versions 5 to 7). scipy's reader is not used: damaged files can crash it.

A file has a header of 128 bytes, and then elements. An element has a type, a length and that many bytes, filled up to a
multiple of 8. An array is an element that consists of elements: class, dimensions, name and its numbers, column by
column. A compressed element holds one such element. (MathWorks, MAT-File Format, 2023.) Every length is compared with
the bytes that are there before it is used.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.reading import reading
from ganfit_nb.model_files.model_file import INFLATED, MAXIMUM_BYTES

HEADER, TAG = 128, 8  # bytes
TAG_IN, STEP = 1024, 2**18  # bytes that are enough to inflate a tag, and bytes that are inflated at a time
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}  # by type
MATRIX, COMPRESSED = 14, 15  # types of elements
STRUCT, NUMERIC, COMPLEX = 2, range(6, 16), 0x0800  # classes of arrays, and a flag
DIMENSIONS = 32


def load_mat(path: Path) -> dict[str, Any]:
    """The arrays of numbers by name. A struct of one element becomes a dictionary of its arrays.

    All else in the file, such as texts and cells, is left out. Raises GanfitError when it is no such file, or holds
    more than MAXIMUM_BYTES.
    """
    with (
        reading(path, "is no complete MATLAB file of version 5 to 7; download it again.", MAXIMUM_BYTES),
        path.open("rb") as file,
    ):
        header = file.read(HEADER)
        if header.startswith(b"MATLAB 7.3"):
            raise GanfitError(f"{path} is a MATLAB file of version 7.3; save it again with save -v7.")
        order = {b"IM": "<", b"MI": ">"}[header[HEADER - 2 :]]
        content: dict[str, Any] = {}
        left = MAXIMUM_BYTES
        while tag := file.read(TAG):
            kind, size = np.frombuffer(tag, order + "u4").tolist()
            if size > path.stat().st_size:  # read() would allocate this size first
                raise ValueError("the file ends early")
            element = memoryview(file.read(size))
            if kind == COMPRESSED:
                kind, element = _inflated(element, order, left)
                left -= len(element)
            if kind == MATRIX:
                name, value = _matrix(element, order)
                if name and value is not None:
                    content[name] = value
        return content


def _inflated(packed: memoryview, order: str, at_most: int) -> tuple[int, memoryview]:
    """The type and content of the element that is compressed in `packed`."""
    start = zlib.decompressobj().decompress(packed[:TAG_IN], TAG)  # the tag says how large the rest is
    kind, size = np.frombuffer(start, order + "u4").tolist()
    if size > min(at_most, INFLATED * len(packed)):
        raise ValueError("more than what is compressed can become")
    data, filled, stream = np.empty(TAG + size, np.uint8), 0, zlib.decompressobj()
    for at in range(0, len(packed), STEP):
        part = stream.decompress(packed[at : at + STEP], max(len(data) - filled, 1))
        data[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
        filled += len(part)
    if filled != len(data):
        raise ValueError("a compressed array ends early")
    return kind, data[TAG:].data


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yields the type and content of each element. Up to four bytes of content may lie within the tag."""
    at = 0
    while at < len(data):
        kind, size = np.frombuffer(data[at : at + 8], order + "u4").tolist()
        if small := kind >> 16:
            if small > 4:
                raise ValueError("an element is larger than its place")
            yield kind & 0xFFFF, data[at + 4 : at + 4 + small]
            at += 8
            continue
        content = data[at + 8 : at + 8 + size]
        if len(content) != size:
            raise ValueError("an element ends early")
        yield kind, content
        at += 8 + -(-size // 8) * 8


def _matrix(data: memoryview, order: str) -> tuple[str, Any]:
    """The name and value of an array: numbers, the dictionary of a struct, or None for all that is not needed."""
    elements = _elements(data, order)
    flags, dimensions, name = (_numbers(*next(elements), order) for _ in range(3))
    shape = dimensions.tolist()
    if not 2 <= len(shape) <= DIMENSIONS or min(shape) < 0:
        raise ValueError("an array has no shape")
    kind, title = int(flags[0]) & 0xFF, name.tobytes().decode("latin1")
    if kind == STRUCT and math.prod(shape) == 1:
        return title, dict(_fields(elements, order))
    if kind not in NUMERIC or int(flags[0]) & COMPLEX:
        return title, None
    values = _numbers(*next(elements), order)
    return title, values.reshape(shape, order="F")


def _fields(elements: Iterator[tuple[int, memoryview]], order: str) -> Iterator[tuple[str, Array]]:
    """Yields the fields of a struct that are arrays of numbers, by name."""
    length, names = (_numbers(*next(elements), order) for _ in range(2))
    titles = names.tobytes()
    step = int(length[0])
    for start in range(0, len(titles), step):
        _, content = next(elements)
        value = _matrix(content, order)[1] if _is_numeric(content, order) else None
        if value is not None:
            yield titles[start : start + step].split(b"\0")[0].decode("latin1"), value


def _is_numeric(matrix: memoryview, order: str) -> bool:
    """Whether an array holds numbers.

    Only its first element is read. Structs may lie in structs without end, so nothing deeper is opened.
    """
    return len(matrix) > 0 and int(_numbers(*next(_elements(matrix, order)), order)[0]) & 0xFF in NUMERIC


def _numbers(kind: int, content: memoryview, order: str) -> Array:
    """The numbers of an element in this machine's byte order."""
    values = np.frombuffer(content, np.dtype(order + NUMBERS[kind]))
    return values.astype(values.dtype.newbyteorder("="), copy=False)
