"""Screened Poisson equations on a map with holes, by conjugate gradients with a multigrid preconditioner.

What is minimised over maps d, for every channel alone, is

    Σ_i a_i (d_i − f_i)² + Σ_ij c_ij (d_j − d_i − g_ij)²,

where ij runs over neighbours in a row or a column (Pérez et al. 2003; the screening a_i: Bhat et al. 2008). A link
c_ij = 0 cuts the map, so islands keep apart. The preconditioner is one V-cycle over maps of half the side each, whose
texels stand for 2 × 2 finer ones, with sweeps in a chessboard's order (Trottenberg et al. 2001).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.renderer.compiled import compiled, in_parts

COARSEST = 8  # texels, a side that many sweeps solve
COARSEST_SWEEPS = 20
SWEEPS = 2  # before and after the visit to the coarser map
TOLERANCE = 1e-4  # of the right side, where colours are right to less than a byte
MOST_TURNS = 60


@dataclass(frozen=True)
class Energy:
    """The weights of the energy.

    screen  a_i
    right   c of every texel with the next one in its row; the last column is not used
    down    c of every texel with the next one in its column; the last row is not used
    """

    screen: Float[Tensor, "H W"]
    right: Float[Tensor, "H W"]
    down: Float[Tensor, "H W"]

    @property
    def diagonal(self) -> Float[Tensor, "H W"]:
        """The sum of a texel's weights, 1 for a texel without any."""
        total = self.screen + self.right + self.down
        total[:, 1:] += self.right[:, :-1]
        total[1:] += self.down[:-1]
        return torch.where(total > 0, total, 1.0)

    def coarser(self) -> Energy:
        """The energy of a map of half the side. A link crosses two rows over twice the distance: its c is their mean."""
        screen = self.screen.unflatten(0, (-1, 2)).unflatten(2, (-1, 2)).sum((1, 3))
        right = self.right[:, 1::2].unflatten(0, (-1, 2)).mean(1)
        down = self.down[1::2].unflatten(1, (-1, 2)).mean(2)
        return Energy(screen, right, down)


def minimum(
    energy: Energy,
    target: Float[Tensor, "H W C"],
    across: Float[Tensor, "H W C"],
    along: Float[Tensor, "H W C"],
) -> Float[Tensor, "H W C"]:
    """d for f = `target`, and g = `across` in the rows and `along` in the columns; 0 at texels without weight."""
    solver = _Levels(_cut(energy))
    right_side = energy.screen[..., None] * target
    for flow, step in ((energy.right[..., None] * across, 1), (energy.down[..., None] * along, 0)):
        inner = flow.narrow(step, 0, flow.shape[step] - 1)
        right_side.narrow(step, 0, flow.shape[step] - 1).sub_(inner)
        right_side.narrow(step, 1, flow.shape[step] - 1).add_(inner)
    return solver.solve(right_side)
