"""How the CPU's inner loops are compiled and spread over threads.

Every kernel is serial, releases the interpreter lock, and does part `part` of `parts` equal parts of its work. That
leaves the threads to us: numba's own pools either abort when two Python threads enter them (workqueue) or spin
beside other processes (OpenMP).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import torch
from numba import njit
from torch import Tensor

PARTS = 4  # fixed, so that sums over parts do not depend on the number of threads


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """A kernel compiled at its first call; the code is kept for later processes."""
    try:
        return njit(function, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:  # no folder to keep compiled code in: compile anew in every process
        return njit(function, nogil=True, error_model="numpy")


def in_parts(kernel: Callable[..., None], *arguments: Tensor | np.ndarray | float | int) -> None:
    """Runs `kernel(part, PARTS, *arguments)` for every part, in as many threads as torch uses; tensors as arrays."""
    arrays = [_array(a) if isinstance(a, Tensor) else a for a in arguments]
    threads = min(torch.get_num_threads(), PARTS)
    if threads == 1:
        for part in range(PARTS):
            kernel(part, PARTS, *arrays)
    else:
        list(_pool(os.getpid(), threads).map(lambda part: kernel(part, PARTS, *arrays), range(PARTS)))


def _array(tensor: Tensor) -> np.ndarray:
    """A contiguous tensor's own memory, or a contiguous copy."""
    return tensor.detach().contiguous().numpy()


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Threads do not survive a fork, hence one pool per process."""
    return ThreadPoolExecutor(threads, thread_name_prefix="ganfit-renderer")
