"""Damped Gauss-Newton over the photos of one person: p_s, which they share, and every photo's own p_e and p_c.

Unknowns are ordered p_s, then p_e and p_c of each photo.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ganfit_nb.parameters import FaceParameters

FIRST_DAMPING, LAST_DAMPING = 1e-2, 1e4
MOVED = ("identity", "expression", "camera")  # the groups of the unknowns


@runtime_checkable
class Energy(Protocol):
    """Half of minus twice a log-likelihood: what is minimised, with its derivatives at one set of parameters."""

    def __call__(self, parameters: Sequence[FaceParameters]) -> Tensor:
        """Its value at any parameters, ()."""

    def normal_equations(self) -> tuple[Tensor, Tensor]:
        """JᵀJ (U, U) and Jᵀr (U,) of the reweighted least squares, where it was made."""


@dataclass(frozen=True)
class NewtonState:
    """What the next update needs besides the parameters: the damping, and whether the last one still helped."""

    damping: float = FIRST_DAMPING
    converged: bool = False


def damped_update(
    energies: Sequence[Energy],
    parameters: Sequence[FaceParameters],
    state: NewtonState,
    free: Collection[str],
    settled: float,
) -> tuple[list[FaceParameters], NewtonState]:
    """One update that lowers the sum of the energies, which were made at `parameters`: the damping of Levenberg and
    Marquardt rises until they fall.

    A group that is not among the `free` ones keeps its value. `settled` is the relative decrease below which the
    updates have converged.
    """
    moves = _moves(parameters, free)
    parts = [energy.normal_equations() for energy in energies]
    normal, descent = (torch.stack(sums).sum(0) for sums in zip(*parts, strict=True))
    # A coefficient that is not free has no slope, and 1 on the diagonal: its part of the step is 0.
    normal, descent = normal * moves * moves[:, None] + torch.diag(1 - moves), descent * moves
    before, damping = _sum(energies, parameters), state.damping
    while damping < LAST_DAMPING:
        step = torch.linalg.solve(normal + damping * torch.diag(normal.diagonal()), descent)
        candidate = _moved(parameters, -step)
        lower = _sum(energies, candidate)
        if lower < before:
            return candidate, NewtonState(damping / 5, converged=bool(before - lower < settled * before))
        damping *= 5
    return list(parameters), NewtonState(damping, converged=True)


def _sum(energies: Sequence[Energy], parameters: Sequence[FaceParameters]) -> Tensor:
    return torch.stack([energy(parameters) for energy in energies]).sum()


def columns(parameters: FaceParameters) -> list[tuple[str, int]]:
    """The groups of the unknowns and their sizes, in their order."""
    return [(name, getattr(parameters, name).numel()) for name in MOVED]


def _moves(parameters: Sequence[FaceParameters], free: Collection[str]) -> Tensor:
    """1 for every unknown that may move, 0 for the others."""
    shape, *own = columns(parameters[0])
    groups = (shape, *own * len(parameters))
    return torch.cat([torch.full((n,), float(name in free)) for name, n in groups])


def _moved(parameters: Sequence[FaceParameters], step: Tensor) -> list[FaceParameters]:
    """The photos' parameters after one step of all unknowns."""
    (_, shared), *own = columns(parameters[0])
    steps = step[shared:].view(len(parameters), -1)
    moved = []
    for p, part in zip(parameters, steps, strict=True):
        values = dict(zip((name for name, _ in own), part.split([n for _, n in own]), strict=True))
        moved.append(
            p.replace(identity=p.identity + step[:shared], **{n: getattr(p, n) + v for n, v in values.items()})
        )
    return moved
