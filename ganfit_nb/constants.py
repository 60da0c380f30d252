"""Constant tensors on the device where they are needed."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def beside(constant: Tensor, tensor: Tensor) -> Tensor:
    """A constant with the device and the dtype of a tensor.

    It is copied to a GPU once, because the processor has to wait for such a copy. The constant is kept for the life of
    the program and must not change.
    """
    return _copied(constant, tensor.device, tensor.dtype)


@lru_cache(maxsize=64)
def _copied(constant: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    return constant.to(device, dtype)
