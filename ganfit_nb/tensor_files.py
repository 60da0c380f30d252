"""Tensors from a user's safetensors file, whose names, kinds and shapes are what they must be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

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
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} is not finite")
    return stored
