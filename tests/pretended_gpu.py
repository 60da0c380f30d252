"""A device that is none: its tensors lie in main memory, and every operator runs on the CPU. It shows without a GPU what
a program would do on one. An operator that mixes devices fails, as there.

`counted` counts what a program asks of a device, of this one or of a real one.
"""

from __future__ import annotations

import traceback
from collections import Counter
from contextlib import contextmanager
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend



class _Backend(_DummyBackendModule):
    """What torch asks a backend for."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


_setup_privateuseone_for_python_backend("pretended", _Backend())
DEVICE = torch.device("pretended", 0)
aten = torch.ops.aten
COPIES = {aten._to_copy.default, aten.copy_.default}
INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}
# Operators whose result's size depends on numbers, or that look whether a factorisation has failed.
READING = {
    "_local_scalar_dense", "nonzero", "masked_select", "unique_dim", "_unique2", "unique_consecutive", "equal", "item",
    "bincount", "histc", "_linalg_check_errors", "linalg_lstsq", "is_nonzero",
}  # fmt: skip


class _OnDevice(Tensor):
    """A tensor of the pretended device."""

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
    """Runs an operator on the CPU. Its results are of the device unless it copies them away."""
    given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    known = {id(leaf.inner): leaf for leaf in given if isinstance(leaf, _OnDevice)}
    others = [leaf for leaf in given if not isinstance(leaf, _OnDevice)]
    if known and any(leaf.dim() for leaf in others) and func not in COPIES | INDEXING:
        raise RuntimeError(f"{func} was given tensors on several devices")
    here = isinstance(args[0], _OnDevice) if func is aten.copy_.default else True
    if (device := kwargs.get("device")) is not None:
        here, kwargs = torch.device(device).type == DEVICE.type, kwargs | {"device": torch.device("cpu")}
    plain = tree_map(lambda x: x.inner if isinstance(x, _OnDevice) else x, (args, kwargs))
    result = func(*plain[0], **plain[1])

    def wrapped(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        return known[id(x)] if id(x) in known else _OnDevice(x)

    return tree_map(wrapped, result) if here else result


for _maker in (
    aten.empty.memory_format,
    aten.empty_strided.default,
    aten.arange.default,
    aten.arange.start,
    aten.arange.start_step,
    aten.eye.default,
):
    torch.library.impl(_maker.name(), "PrivateUse1")(partial(_run, _maker))


@contextmanager
def pretended_gpu() -> Iterator[torch.device]:
    """The device, inside the block."""
    torch._C._set_only_lift_cpu_tensors(True)  # so that torch.tensor(numbers, device=...) copies where it can be seen
    try:
        yield DEVICE
    finally:
        torch._C._set_only_lift_cpu_tensors(False)


class Operators(TorchDispatchMode):
    """Counts the operators that run on a device inside the block, and those that the processor waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.launches = 0
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        if any(tensor.device.type != "cpu" for tensor in tensors) and not func.is_view:
            self.launches += 1
            if _waits(func, args, kwargs, tensors):
                self.waits[f"{func} {_place()}"] += 1
        return result


def _waits(func: Any, args: Any, kwargs: dict[str, Any], tensors: list[Tensor]) -> bool:
    name = func.overloadpacket.__name__
    if func in COPIES:
        between = len({tensor.device.type for tensor in tensors}) > 1
        return between and not kwargs.get("non_blocking") and not (func is aten.copy_.default and args[2:] == (True,))
    if func in INDEXING:
        return any(t.device.type == "cpu" or t.dtype in (torch.bool, torch.uint8) for t in args[1] if t is not None)
    if name == "repeat_interleave":
        return kwargs.get("output_size") is None
    return name in READING


def _place() -> str:
    """The line of the library that asks for it; in the backward pass, the last one of Python."""
    frames = [frame for frame in traceback.extract_stack() if "/ganfit_nb/" in frame.filename]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "elsewhere"
