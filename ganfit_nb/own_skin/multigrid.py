"""One V-cycle of a multigrid method for the equations of `poisson.py` (Trottenberg et al. 2001).

Each coarser map has half the side. Its texels stand for 2 × 2 finer ones. The sweeps go over the texels like over the
squares of a chessboard, first the white ones, on the way back first the black ones, so that the cycle is symmetric.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import no_type_check

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.renderer.compiled import compiled, in_parts

COARSEST = 8  # texels, the side of a map that many sweeps solve
COARSEST_SWEEPS = 20
SWEEPS = 2  # before and after the visit to the coarser map


@dataclass(frozen=True)
class Grid:
    """The weights of the energy in `poisson.py`.

    screen  a of every texel
    right   c of every texel and the next one in its row; 0 in the last column
    down    c of every texel and the next one in its column; 0 in the last row
    """

    screen: Float[Tensor, "H W"]
    right: Float[Tensor, "H W"]
    down: Float[Tensor, "H W"]

    @cached_property
    def inverse_diagonal(self) -> Float[Tensor, "H W"]:
        """One over the sum of a texel's weights; 0 for a texel without any."""
        total = self.screen + self.right + self.down
        total[:, 1:] += self.right[:, :-1]
        total[1:] += self.down[:-1]
        return torch.where(total > 0, 1 / total, 0.0)

    def coarser(self) -> Grid:
        """Two links cross the border of two coarse texels, over half the distance: the mean of both goes on."""
        screen = self.screen.unflatten(0, (-1, 2)).unflatten(2, (-1, 2)).sum((1, 3))
        right = self.right[:, 1::2].unflatten(0, (-1, 2)).mean(1)
        down = self.down[1::2].unflatten(1, (-1, 2)).mean(2)
        return Grid(screen, right, down)

    def residual(self, values: Float[Tensor, "H W 3"], right_side: Float[Tensor, "H W 3"]) -> Float[Tensor, "H W 3"]:
        """The right side less the matrix times the values."""
        found = torch.empty_like(values)
        in_parts(_residual, self.screen, self.right, self.down, values, right_side, found)
        return found

    def applied(self, values: Float[Tensor, "H W 3"]) -> Float[Tensor, "H W 3"]:
        """The matrix times the values."""
        return self.residual(values, torch.zeros_like(values)).neg_()

    def sweep(self, values: Float[Tensor, "H W 3"], right_side: Float[Tensor, "H W 3"], first: int) -> None:
        """Solves every texel's equation for that texel, in place: those of one colour, then those of the other."""
        for colour in (first, 1 - first):
            weights = self.right, self.down, self.inverse_diagonal
            in_parts(_sweep, *weights, values, right_side, colour)


class Levels:
    """A grid and the coarser ones that stand for it. Sides are COARSEST times a power of two."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.coarser = Levels(grid.coarser()) if min(grid.screen.shape) > COARSEST else None

    def cycle(self, right_side: Float[Tensor, "H W 3"]) -> Float[Tensor, "H W 3"]:
        """An approximate solution, linear and symmetric in the right side."""
        values = torch.zeros_like(right_side)
        sweeps = SWEEPS if self.coarser else COARSEST_SWEEPS
        for _ in range(sweeps):
            self.grid.sweep(values, right_side, first=0)
        if self.coarser:
            residual = self.grid.residual(values, right_side)
            summed = residual.unflatten(0, (-1, 2)).unflatten(2, (-1, 2)).sum((1, 3))
            correction = self.coarser.cycle(summed)
            values += correction.repeat_interleave(2, 0).repeat_interleave(2, 1)
        for _ in range(sweeps):
            self.grid.sweep(values, right_side, first=1)
        return values


# Index -1 is the last row or column. Its links are 0, and so are those of the last row or column beyond the border.
@compiled
@no_type_check
def _sweep(part, parts, right, down, inverse, values, right_side, colour):
    height, width, _ = values.shape
    for r in range(part * height // parts, (part + 1) * height // parts):
        below = min(r + 1, height - 1)
        for c in range((r + colour) % 2, width, 2):
            if inverse[r, c] > 0.0:
                after = min(c + 1, width - 1)
                to_right, to_left, to_below, to_above = right[r, c], right[r, c - 1], down[r, c], down[r - 1, c]
                for k in range(3):
                    beside = to_right * values[r, after, k] + to_left * values[r, c - 1, k]
                    beside += to_below * values[below, c, k] + to_above * values[r - 1, c, k]
                    values[r, c, k] = (right_side[r, c, k] + beside) * inverse[r, c]


@compiled
@no_type_check
def _residual(part, parts, screen, right, down, values, right_side, found):
    height, width, _ = values.shape
    for r in range(part * height // parts, (part + 1) * height // parts):
        below = min(r + 1, height - 1)
        for c in range(width):
            after = min(c + 1, width - 1)
            to_right, to_left, to_below, to_above = right[r, c], right[r, c - 1], down[r, c], down[r - 1, c]
            total = screen[r, c] + to_right + to_left + to_below + to_above
            for k in range(3):
                beside = to_right * values[r, after, k] + to_left * values[r, c - 1, k]
                beside += to_below * values[below, c, k] + to_above * values[r - 1, c, k]
                found[r, c, k] = right_side[r, c, k] + beside - total * values[r, c, k]
