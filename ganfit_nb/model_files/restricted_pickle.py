"""Reads a pickle of arrays without running anything in it.

A pickle is a program: it names functions and has them called. Here a name means one of a few stand-ins that hold data,
or the file is refused: numpy's arrays are rebuilt from their bytes, chumpy's and scipy's objects become `Stored`, the
attributes that the pickle gives them. Neither chumpy nor scipy is imported.
"""

from __future__ import annotations

import codecs
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError

MAXIMUM_BYTES = 2**30  # the largest known model of this kind has 53 MB


class Stored:
    """An object of chumpy or scipy: only what was stored of it."""

    def __setstate__(self, state: Any) -> None:
        """Takes the attributes."""
        self.attributes = state if isinstance(state, dict) else {}

    def array(self) -> Array:
        """The array a chumpy object stands for: its leaf's value `x`, or a selection `a` by flat `idxs`."""
        attributes = self.attributes
        if "x" in attributes:
            return as_array(attributes["x"])
        selected = as_array(attributes["a"]).ravel()[as_array(attributes["idxs"])]
        shape = attributes.get("preferred_shape")
        return selected if shape is None else selected.reshape(shape)


def as_array(value: Any) -> Array:
    """A numpy array from an array or a chumpy object; TypeError for anything else."""
    if isinstance(value, Stored):
        return value.array()
    if not isinstance(value, np.ndarray) or value.dtype == object:
        raise TypeError("not an array of numbers")
    return value


def load_pickle(path: Path) -> Any:
    """The pickle's content, written by Python 2 or 3.

    GanfitError when it names anything but arrays, chumpy and scipy objects, or is no complete pickle.
    """
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise GanfitError(f"{path} is too large for a pickled face model; give the model's own file.")
        with path.open("rb") as file:
            return _Unpickler(file, encoding="latin1").load()
    except GanfitError:
        raise
    except _RefusedError as error:
        raise GanfitError(
            f"{path} was refused: this pickle wants to call {error}, which no face model needs."
        ) from None
    except Exception as error:  # a damaged pickle may fail in any way
        raise GanfitError(f"{path} is no complete pickle of arrays; download it again.") from error


class _RefusedError(Exception):
    pass


def _new_array(_type: Any, _shape: Any, _code: Any) -> Array:
    """numpy's _reconstruct: an empty array whose state follows. Asked for a large one it would allocate it."""
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _new_object(kind: Any, _base: Any, _state: Any) -> Stored:
    """copyreg's _reconstructor, for stand-ins alone."""
    if kind is not Stored:
        raise _RefusedError("copyreg._reconstructor")
    return Stored()


def _scalar(dtype: np.dtype, data: bytes | str = b"") -> Any:
    """numpy's scalar: one number from its bytes."""
    raw = data.encode("latin1") if isinstance(data, str) else data
    return np.frombuffer(raw, dtype=dtype, count=1)[0]


def _encode(text: str, encoding: str) -> bytes:
    """Python 3's bytes in a pickle for Python 2."""
    if encoding != "latin1":
        raise _RefusedError(f"codecs.encode with {encoding}")
    return codecs.latin_1_encode(text)[0]


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        if module.split(".")[0] == "chumpy" or module.startswith("scipy.sparse"):
            return Stored
        raise _RefusedError(f"{module}.{name}")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): None,  # named as the kind of what _reconstruct makes; not to be called
    ("numpy", "dtype"): np.dtype,
    ("copyreg", "_reconstructor"): _new_object,
    ("copy_reg", "_reconstructor"): _new_object,
    **{(module, "object"): None for module in ("builtins", "__builtin__")},
    **{(module, "set"): set for module in ("builtins", "__builtin__")},  # chumpy's _dirty_vars
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _new_array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
}
