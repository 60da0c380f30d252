"""Safetensors files: read from a user when names, kinds and shapes are what they must be, and written whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from ganfit_nb.files.outputs import replaced

MAXIMUM_BYTES = 2**28  # of a file; those that ship have at most 16 MB


def load_tensors(path: Path, shapes: Mapping[str, str]) -> dict[str, Tensor]:
    """Exactly the tensors that `shapes` names.

    A shape is written as "float V 3" or "int F 3": the kind, then the sizes; a letter stands for the same size of at
    least 1 everywhere, `*` for any. ValueError when the file differs, or holds numbers that are not finite. To be
    called within `reading`.
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
    """ValueError when a number is not finite in single precision. One such number makes the sum so, which is quicker
    to take than to look at each."""
    if not math.isfinite(float(tensor.sum(dtype=torch.float32))):
        raise ValueError("numbers that are not finite")


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Writes the tensors, wherever they lie. A failure leaves a file that was there as it was."""
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replaced(path) as work:
        work.write_bytes(save(stored, metadata))
