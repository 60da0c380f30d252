"""A device that is none: its tensors lie in main memory, and every operator runs on the CPU.

It shows without a GPU what a program would do on one. As on a GPU, an operator that is given tensors of two devices
fails. `Operators` counts what a program asks of a device, be it this one or a real GPU.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

aten = torch.ops.aten
COPIES = {aten._to_copy.default, aten.copy_.default}
INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}
MAKERS = (aten.empty.memory_format, aten.empty_strided.default, aten.eye.default, aten.arange.default)
MAKERS += (aten.arange.start, aten.arange.start_step)
# Operators that give a number to the processor, whose result has a size that depends on numbers, or that look whether a
# factorisation has failed.
READING = {"_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "_unique2", "unique_dim"}
READING |= {"unique_consecutive", "bincount", "_linalg_check_errors", "linalg_lstsq"}


class _Backend(_DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        """torch.autocast asks for it."""
        return [torch.bfloat16]


_setup_privateuseone_for_python_backend("pretended", _Backend())
DEVICE = torch.device("pretended", 0)


class _OnDevice(Tensor):
    """A tensor of the device. `inner` holds its numbers."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> _OnDevice:
        tensor = Tensor._make_wrapper_subclass(
            cls, inner.shape, inner.stride(), inner.storage_offset(), dtype=inner.dtype, device=DEVICE
        )
        tensor.inner = inner
        return tensor

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, *args, **(kwargs or {}))


def _run(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Runs an operator on the CPU. Its results are of the device, unless it copies to the CPU."""
    given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    known = {id(leaf.inner): leaf for leaf in given if isinstance(leaf, _OnDevice)}
    elsewhere = any(leaf.dim() for leaf in given if not isinstance(leaf, _OnDevice))
    if known and elsewhere and func not in COPIES | INDEXING:
        raise RuntimeError(f"{func} was given tensors of several devices")
    here = isinstance(args[0], _OnDevice) if func is aten.copy_.default else True
    if (device := kwargs.get("device")) is not None:
        here, kwargs = torch.device(device).type == DEVICE.type, kwargs | {"device": torch.device("cpu")}
    plain_args, plain_kwargs = tree_map(lambda x: x.inner if isinstance(x, _OnDevice) else x, (args, kwargs))
    result = func(*plain_args, **plain_kwargs)

    def wrapped(x: Any) -> Any:
        if not here or not isinstance(x, Tensor):
            return x
        return known[id(x)] if id(x) in known else _OnDevice(x)  # an operator in place returns what it was given

    return tree_map(wrapped, result)


for _maker in MAKERS:  # these are given no tensor that would lead them to _OnDevice
    torch.library.impl(_maker.name(), "PrivateUse1")(partial(_run, _maker))


@contextmanager
def pretended_gpu() -> Iterator[torch.device]:
    """The device, within the block."""
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(numbers, device=...) shows its copy to the device
    try:
        yield DEVICE
    finally:
        torch._C._set_only_lift_cpu_tensors(False)


class Operators(TorchDispatchMode):
    """Counts the operators that run on a device within the block.

    launches  all but views, which start no kernel
    waits     those that the processor waits for, by operator and by the line of the library that calls it
    """

    def __init__(self) -> None:
        super().__init__()
        self.launches = 0
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        devices = {tensor.device.type for tensor in tensors}
        if devices - {"cpu"} and not (func.is_view or func is aten._unsafe_view.default):
            self.launches += 1
            if _waits(func, args, kwargs, devices):
                self.waits[f"{func} {_line(sys._getframe())}"] += 1
        return result


def _waits(func: Any, args: Any, kwargs: dict[str, Any], devices: set[str]) -> bool:
    name = func.overloadpacket.__name__
    if func in COPIES:
        return len(devices) > 1 and not kwargs.get("non_blocking") and args[2:3] != (True,)
    if func in INDEXING:
        indices = [index for index in args[1] if index is not None]
        return any(index.device.type == "cpu" or index.dtype in (torch.bool, torch.uint8) for index in indices)
    return name in READING or (name == "repeat_interleave" and kwargs.get("output_size") is None)


def _line(frame: FrameType | None) -> str:
    """The innermost line of the library. The backward pass has none."""
    while frame and "/ganfit_nb/" not in frame.f_code.co_filename:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "elsewhere"
