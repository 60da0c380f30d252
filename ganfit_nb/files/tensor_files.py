"""Reads and writes safetensors files. A file from a user must have the expected names, kinds and shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from ganfit_nb.files.outputs import replaced

MAXIMUM_BYTES = 2**28  # largest file that is read; those that ship have at most 16 MB


def load_tensors(path: Path, shapes: Mapping[str, str]) -> dict[str, Tensor]:
    """The tensors in a file, which must have exactly the names and shapes in `shapes`.

    A shape is written as "float V 3" or "int F 3": first the kind, then the sizes. A letter stands for a size of at
    least 1, which is the same wherever the letter appears; `*` stands for any size. Raises ValueError when the file
    differs, or holds numbers that are not finite. Call it within `reading`.
    """
    stored = load_file(path)
    if stored.keys() != shapes.keys():
        raise ValueError("other names")
    sizes: dict[str, int] = {}
    for name, shape in shapes.items():
        kind, *wanted = shape.split()
        tensor = stored[name]
        if tensor.dim() != len(wanted) or tensor.is_floating_point() != (kind == "float") or tensor.is_complex():
            raise ValueError(f"another kind of {name}")
        for symbol, size in zip(wanted, tensor.shape, strict=True):
            fixed = int(symbol) if symbol.isdecimal() else size if symbol == "*" else sizes.setdefault(symbol, size)
            if size != fixed or (size == 0 and symbol != "*"):
                raise ValueError(f"another shape of {name}")
        if kind == "float":
            require_finite(tensor)
    return stored


def require_finite(tensor: Tensor) -> None:
    """Raises ValueError when a number is not finite in single precision.

    One such number makes the sum of all not finite, and the sum is quicker to compute than a test of each number.
    """
    if not math.isfinite(float(tensor.sum(dtype=torch.float32))):
        raise ValueError("numbers that are not finite")


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Writes tensors of any device to a file. When writing fails, an older file of that name stays as it was."""
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replaced(path) as work:
        work.write_bytes(save(stored, metadata))
