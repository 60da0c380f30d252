"""The content of a morphable model's file, in the same form for all formats, in the file's own units and axes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError

MAXIMUM_BYTES = 2**30  # largest file, and largest sum of its arrays; known models have at most a third of this
SIZES = (1e-6, 1e9)  # smallest and largest extent of a mean: a face has 1e-4 in kilometres, 3e8 in nanometres
FLAT = 0.02  # a mean with a smaller ratio of depth to height is flat; a face has a third
INFLATED = 1032  # deflate makes at most so many bytes of one
BLENDSHAPE_SD = 0.3  # weights of blendshapes run from 0 to 1; this weight counts as one standard deviation


@dataclass(frozen=True)
class LinearColour:
    """Albedo of the vertices as display RGB in [0, 1]: mean and modes per standard deviation."""

    mean: Float[Array, "V 3"]
    basis: Float[Array, "T V 3"]


@dataclass(frozen=True)
class ModelFile:
    """A linear face model as its file gives it. Modes are displacements per standard deviation.

    kind        the format's name
    mean        (V, 3) in the file's unit, +y up, +z out of the face
    identity    (S, V, 3)
    expression  (E, V, 3), E = 0 when the file has none
    faces       (F, 3)
    source      the file, which error messages name
    """

    kind: str
    mean: Float[Array, "V 3"]
    identity: Float[Array, "S V 3"]
    expression: Float[Array, "E V 3"]
    faces: Int[Array, "F 3"]
    colour: LinearColour | None = None
    source: Path | None = None

    def checked(self, path: Path) -> ModelFile:
        """The same model with `path` as its source. Raises GanfitError when the arrays do not make a face model."""
        lengths = [_length(array) for array in (self.mean, self.identity, self.expression)]
        lengths += [_length(self.colour.mean), _length(self.colour.basis)] if self.colour else []
        if not np.isfinite(lengths).all():
            raise damaged(path, self.kind, "it holds numbers that are not finite, or as good as")
        if len(self.identity) == 0 or len(self.faces) == 0:
            raise damaged(path, self.kind, "it has no identity modes or no triangles")
        if self.faces.shape[1] != 3 or self.faces.min() < 0 or self.faces.max() >= len(self.mean):
            raise damaged(path, self.kind, "its triangles name vertices that it does not have")
        extent = np.ptp(self.mean, axis=0)
        size = float(extent.max())
        if not SIZES[0] < size < SIZES[1]:
            raise damaged(path, self.kind, f"its mean face extends over {size:.2g} units")
        if extent.min() < FLAT * size:
            raise damaged(path, self.kind, "its mean face is flat")
        counts = np.array([len(self.identity), len(self.expression)]) * len(self.mean)
        if (lengths[1:3] > size * np.sqrt(counts)).any():
            raise damaged(path, self.kind, "its modes move vertices farther than the face is large")
        return replace(self, source=path)


def _length(array: Array) -> float:
    """The Euclidean length of all numbers, in one pass. It is not finite if a number is not, or is beyond 10^19."""
    flat = array.ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(flat @ flat))


def damaged(path: Path, kind: str, reason: str) -> GanfitError:
    """The error for a file that has a known format but cannot be used."""
    return GanfitError(f"{path} looks like {kind}, but {reason}; download or export it again.")


def vectors(values: Array, count: int | None = None) -> Float[Array, "V 3"]:
    """Coordinates x, y, z of one vertex after the other, as rows of float32. Raises ValueError for another length."""
    return np.ascontiguousarray(values, dtype=np.float32).reshape(-1 if count is None else count, 3)


def modes(columns: Array, deviations: Array, count: int) -> Float[Array, "K V 3"]:
    """Modes of K columns, scaled by their K standard deviations. Raises ValueError when the shapes disagree."""
    columns = np.asarray(columns, dtype=np.float32)
    scaled = np.empty(columns.shape[::-1], dtype=np.float32)  # in rows; without `out` numpy would keep columns
    np.multiply(columns.T, np.asarray(deviations, dtype=np.float32).reshape(len(scaled), 1), out=scaled)
    return scaled.reshape(len(scaled), count, 3)


def no_modes(count: int) -> Float[Array, "0 V 3"]:
    """The basis of a model without expressions."""
    return np.zeros((0, count, 3), dtype=np.float32)


def display_range(mean: Array, basis: Array) -> LinearColour:
    """Colours in the range from 0 to 1. Files have this range or 0 to 255.

    The two are easily told apart, because they differ by far more than any two faces.
    """
    if mean.max() <= 2:
        return LinearColour(mean, basis)
    scale = np.float32(1 / 255)
    return LinearColour(mean * scale, basis * scale)
