"""What a morphable model's file holds, whatever its format: arrays in the file's own units and axes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError

BLENDSHAPE_SD = 0.3  # a blendshape's weight runs from 0 to 1; this much of it is taken as a standard deviation


@dataclass(frozen=True)
class LinearColour:
    """Albedo of the vertices as display RGB in [0, 1]: mean and modes per standard deviation."""

    mean: Float[Array, "V 3"]
    basis: Float[Array, "T V 3"]


@dataclass(frozen=True)
class ModelFile:
    """A linear face model as its file gives it; modes are displacements per standard deviation.

    kind        the format's name
    mean        (V, 3) in the file's unit, +y up, +z out of the face
    identity    (S, V, 3)
    expression  (E, V, 3), E = 0 when the file has none
    faces       (F, 3)
    """

    kind: str
    mean: Float[Array, "V 3"]
    identity: Float[Array, "S V 3"]
    expression: Float[Array, "E V 3"]
    faces: Int[Array, "F 3"]
    colour: LinearColour | None = None

    def checked(self, path: Path) -> ModelFile:
        """Itself; GanfitError when the arrays do not make a face model."""
        arrays = [self.mean, self.identity, self.expression]
        arrays += [self.colour.mean, self.colour.basis] if self.colour else []
        if not all(np.isfinite(array).all() for array in arrays):
            raise damaged(path, self.kind, "it holds numbers that are not finite")
        if len(self.identity) == 0 or len(self.faces) == 0:
            raise damaged(path, self.kind, "it has no identity modes or no triangles")
        if self.faces.min() < 0 or self.faces.max() >= len(self.mean):
            raise damaged(path, self.kind, "its triangles name vertices that it does not have")
        return self


def damaged(path: Path, kind: str, reason: str) -> GanfitError:
    """The error of a file that is of a known format but cannot be used."""
    return GanfitError(f"{path} looks like {kind}, but {reason}; download or export it again.")


def vectors(values: Array, count: int | None = None) -> Float[Array, "V 3"]:
    """Coordinates x, y, z one vertex after the other, as rows in single precision. ValueError for another length."""
    return np.ascontiguousarray(values, dtype=np.float32).reshape(-1 if count is None else count, 3)


def modes(columns: Array, deviations: Array, count: int) -> Float[Array, "K V 3"]:
    """A basis whose K columns are modes, scaled by K standard deviations. ValueError when the shapes disagree."""
    columns = np.asarray(columns, dtype=np.float32)
    scaled = columns.T * np.asarray(deviations, dtype=np.float32).reshape(columns.shape[1], 1)
    return np.ascontiguousarray(scaled).reshape(columns.shape[1], count, 3)


def no_modes(count: int) -> Float[Array, "0 V 3"]:
    """The basis of a model without expressions."""
    return np.zeros((0, count, 3), dtype=np.float32)


def display_range(mean: Array, basis: Array) -> LinearColour:
    """Colours of 0 to 255 or 0 to 1 as the latter: the two conventions differ by far more than any face does."""
    scale = np.float32(1 / 255 if mean.max() > 2 else 1)
    return LinearColour(mean * scale, basis * scale)
