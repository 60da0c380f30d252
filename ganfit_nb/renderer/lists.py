"""Lists whose length depends on numbers: the pixels that a face covers, the lines that an edge crosses.

On the CPU a list is as long as it has to be. A GPU is not asked how long that is, because the processor would have to
wait for the answer and the GPU would run out of work. There a list has a fixed room, and rows at its end may be unused.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def indices(mask: Bool[Tensor, " n"], room: int) -> tuple[Int[Tensor, " m"], Bool[Tensor, " m"]]:
    """Where the mask is true, and which rows of this list are used: all of them on the CPU.

    On a GPU the list has `room` rows. An unused row holds some index, each another one as far as possible, because
    gradients that meet at one place are added one after the other.
    """
    if mask.is_cpu:
        index = mask.nonzero().flatten()
        return index, torch.ones_like(index, dtype=torch.bool)
    index = torch.nonzero_static(mask, size=room, fill_value=-1).flatten()
    used = index >= 0
    return torch.where(used, index, torch.arange(room, device=mask.device) % len(mask)), used


def length(counts: Int[Tensor, " n"], room: int) -> int:
    """How many rows `repeated` has in all: the sum of the counts, or on a GPU `room`."""
    return int(counts.sum()) if counts.is_cpu else room


def repeated(
    counts: Int[Tensor, " n"], first: int, end: int
) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"], Bool[Tensor, " m"]]:
    """The rows `first` to `end` of a list in which index i stands counts[i] times: i, the number of the repetition from
    0 on, and whether the row is used."""
    ends = counts.cumsum(0)
    row = torch.arange(first, end, device=counts.device)
    index = torch.searchsorted(ends, row, right=True)
    used = index < len(counts)
    index = index.clamp(max=len(counts) - 1)
    return index, row - (ends - counts)[index], used
