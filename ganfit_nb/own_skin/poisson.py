"""Screened Poisson equations on a map with holes.

What is minimised over maps d, for each of three channels alone, is

    Σ_i a_i (d_i − f_i)² + Σ_ij c_ij (d_j − d_i − g_ij)²,

where ij runs over neighbours in a row or a column (Pérez et al. 2003; the screening a_i: Bhat et al. 2008). A link
c_ij = 0 cuts the map, so islands keep apart. The minimum solves linear equations with a symmetric matrix, by conjugate
gradients with `multigrid.Levels` as their preconditioner.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.own_skin.multigrid import Grid, Levels

TOLERANCE = 3e-5  # of the error, in the norm of the energy, beside that of zeros
MOST_TURNS = 60


def minimum(
    grid: Grid, target: Float[Tensor, "H W 3"], gradients: Iterable[Float[Tensor, "H W 3"]]
) -> Float[Tensor, "H W 3"]:
    """d for f = `target` and g = `gradients`, to the next texel in the row and to that in the column; 0 at texels
    without any weight. Sides must be 8 times a power of two.
    """
    right_side = (grid.screen[..., None] * target).contiguous()  # the kernels write into the memory of maps like it
    for links, axis, gradient in zip((grid.right, grid.down), (1, 0), gradients, strict=True):
        last = gradient.shape[axis] - 1
        flow = (links[..., None] * gradient).narrow(axis, 0, last)
        right_side.narrow(axis, 0, last).sub_(flow)
        right_side.narrow(axis, 1, last).add_(flow)
    conjugate_gradients(Levels(grid), right_side, solution := torch.zeros_like(right_side))
    return solution.mul_((grid.inverse_diagonal > 0)[..., None])


def conjugate_gradients(levels: Levels, residual: Float[Tensor, "H W 3"], solution: Float[Tensor, "H W 3"]) -> None:
    """Adds to `solution` what its `residual` asks for, in place: at the end both have changed. Every channel has its
    own step lengths (Shewchuk 1994, B3)."""
    direction = levels.cycle(residual)
    along = _dot(residual, direction)
    enough = TOLERANCE**2 * along
    for _ in range(MOST_TURNS):
        image = levels.grid.applied(direction)
        step = along / _dot(direction, image).clamp(min=1e-30)
        solution.addcmul_(direction, step)
        residual.addcmul_(image, step, value=-1)
        better = levels.cycle(residual)
        before, along = along, _dot(residual, better)
        if bool((along <= enough).all()):
            break
        direction.mul_(along / before.clamp(min=1e-30)).add_(better)


def _dot(a: Float[Tensor, "H W 3"], b: Float[Tensor, "H W 3"]) -> Float[Tensor, " C"]:
    return (a * b).sum((0, 1))
