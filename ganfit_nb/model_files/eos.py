"""Reads models that the eos library writes (Huber et al. 2016), such as the Surrey Face Model: cereal's binary archive.

The archive is little-endian and names nothing. It holds the version (uint32, 1 to 4), the shape, the colour, from
version 2 on the expressions, from 3 on landmark names and texture coordinates, and from 4 on the triangles of these.
What follows the expressions is not needed here.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from ganfit_nb.files.reading import reading
from ganfit_nb.model_files.model_file import (
    BLENDSHAPE_SD,
    MAXIMUM_BYTES,
    ModelFile,
    display_range,
    modes,
    no_modes,
    vectors,
)

KIND = "a model of the eos library"
VERSIONS = range(1, 5)


class _Reader:
    """Reads the archive's primitives one after the other. Raises ValueError when it ends early."""

    def __init__(self, data: bytes):
        self.data, self.position = data, 0

    def number(self, code: str) -> int:
        return struct.unpack("<" + code, self._take(struct.calcsize(code)))[0]

    def matrix(self) -> Float[Array, "rows columns"]:
        rows, columns = self.number("i"), self.number("i")
        values = np.frombuffer(self._take(4 * rows * columns), "<f4")
        return values.reshape(columns, rows).T  # Eigen stores column after column

    def triangles(self) -> Array:
        return np.frombuffer(self._take(12 * self.number("Q")), "<i4").reshape(-1, 3).astype(np.int64)

    def _take(self, size: int) -> bytes:
        if size < 0 or self.position + size > len(self.data):
            raise ValueError("the archive ends early")
        self.position += size
        return self.data[self.position - size : self.position]

    def text(self) -> str:
        return self._take(self.number("Q")).decode("utf-8", "replace")


def read_eos(path: Path) -> ModelFile:
    """The model in a file. Raises GanfitError when it is damaged or holds something else than a morphable model."""
    with reading(
        path, f"looks like {KIND}, but it ends early or holds something else; export it again.", MAXIMUM_BYTES
    ):
        reader = _Reader(path.read_bytes())
        version = reader.number("I")
        mean, basis, faces = _pca(reader)
        count = len(mean) // 3
        colour_mean, colour_basis, _ = _pca(reader)
        expression_mean, expression = _expressions(reader, count) if version >= 2 else (0, no_modes(count))
        return ModelFile(
            kind=KIND,
            mean=vectors(mean) + expression_mean,
            identity=modes(basis, np.ones(basis.shape[1]), count),
            expression=expression,
            faces=faces,
            colour=display_range(
                vectors(colour_mean, count), modes(colour_basis, np.ones(colour_basis.shape[1]), count)
            )
            if len(colour_mean)
            else None,
        )


def _pca(reader: _Reader) -> tuple[Array, Array, Array]:
    """The mean, the modes (columns) per standard deviation, and the triangles."""
    mean, basis, eigenvalues = reader.matrix().ravel(), reader.matrix(), reader.matrix().ravel()
    return mean, basis * np.sqrt(eigenvalues), reader.triangles()


def _expressions(reader: _Reader, count: int) -> tuple[Array | int, Float[Array, "E V 3"]]:
    """The expressions' offset of the mean, and their modes. The archive holds none, a PCA (0) or blendshapes (1)."""
    if reader.number("B"):
        return 0, no_modes(count)
    if reader.number("i") == 0:
        mean, basis, _ = _pca(reader)
        return vectors(mean, count), modes(basis, np.ones(basis.shape[1]), count)
    shapes = []
    for _ in range(reader.number("Q")):
        reader.text()
        shapes.append(vectors(reader.matrix(), count))
    return 0, BLENDSHAPE_SD * np.stack(shapes) if shapes else no_modes(count)
