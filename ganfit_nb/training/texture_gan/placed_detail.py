"""Placed detail: what the codes determine of the fine detail of a map, in closed form.

A generator begins its training with it, and so with most brows, wrinkles and pores where the codes put them. It is the
linear regression of an octave's texels on the codes. A generator has no room for that many numbers, but nearby texels
depend on the codes in much the same way. So the regression is factored: into detail maps P_k, and gates a_k that are
linear in the codes, given on a BASE² grid and interpolated. Alternating least squares finds both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from ganfit_nb.networks.equalized import finest_octave
from ganfit_nb.networks.progressive_generator import BASE, hat_functions

RIDGE = 0.02  # ridge of the regression, in parts of a code's variance
ROUNDS = 3  # of alternating least squares; more change only the third digit of what is explained
CHUNK = 64  # maps read at once


def placed_detail(
    maps: ndarray, codes: Float[Tensor, "M latent"], count: int
) -> tuple[Float[Tensor, "S S K"], Float[Tensor, "latent_and_1 g g K"]]:
    """Detail maps and gates for the finest octave of maps (N, S, S, 3) of bytes.

    The `count` detail maps have unit mean square. Gates are given at code zero and per unit of each code. `codes` are
    those of the maps and of their mirror images, M = 2 N; they hold at least `count` numbers.
    """
    return factored(octave_regression(maps, codes), count)


def factored(target: Float[Tensor, "L S S"], count: int) -> tuple[Float[Tensor, "S S K"], Float[Tensor, "L g g K"]]:
    """Factors a regression into `count` detail maps and their gates."""
    gates = _first_gates(target, count)
    for _ in range(ROUNDS):
        detail = _details(target, gates)
        gates = _gates(target, detail)
    strength = detail.square().mean(dim=(0, 1)).sqrt().clamp_min(1e-9)
    return detail / strength, (gates * strength[:, None]).permute(2, 0, 1).reshape(-1, BASE, BASE, count)


def octave_regression(maps: ndarray, codes: Float[Tensor, "M latent"]) -> Float[Tensor, "latent_and_1 S S"]:
    """The finest octave of an average map, and what one unit of each code adds to it. Both are grey, the mean over
    colours."""
    count, side = maps.shape[:2]
    ours, mirrored = F.pad(codes, (1, 0), value=1.0).split(count)
    found = torch.zeros(ours.shape[1], side * side)
    for start in range(0, count, CHUNK):
        at = slice(start, start + CHUNK)
        image = torch.from_numpy(maps[at].mean(axis=3, dtype=np.float32) / 255.0)[..., None]
        octave = finest_octave(image)[..., 0]
        found.addmm_(ours[at].T, octave.flatten(1)).addmm_(mirrored[at].T, octave.flip(2).flatten(1))
    ridge = 2 * count * RIDGE * torch.eye(len(found))
    ridge[0, 0] = 0.0  # the first row is the average map
    inverse = torch.linalg.inv(ours.T @ ours + mirrored.T @ mirrored + ridge)
    for part in found.split(1 << 14, dim=1):
        part.copy_(inverse @ part)  # in place, because at 512² this is half a gigabyte
    return found.view(-1, side, side)


class _Patch(NamedTuple):
    """The texels nearest to one node of the grid.

    nodes   the nodes that these texels are interpolated from
    shares  the weight of every such node in every texel
    """

    rows: slice
    columns: slice
    nodes: Int[Tensor, " m"]
    shares: Float[Tensor, "t m"]


def _patches(side: int) -> Iterator[_Patch]:
    share, size, grid = hat_functions(side), side // BASE, torch.arange(BASE * BASE).view(BASE, BASE)
    for i in range(BASE):
        for j in range(BASE):
            rows, columns = (slice(k * size, (k + 1) * size) for k in (i, j))
            down, right = (slice(max(0, k - 1), k + 2) for k in (i, j))
            shares = torch.einsum("pr,qc->rcpq", share[down, rows], share[right, columns])
            yield _Patch(rows, columns, grid[down, right].flatten(), shares.reshape(size * size, -1))


def _first_gates(target: Float[Tensor, "L S S"], count: int) -> Float[Tensor, "nodes K L"]:
    """The principal components of every patch, rotated to agree with its upper and left neighbours.

    Principal components are found patch by patch, and are unique only up to a rotation. Texels between two nodes
    interpolate the gates of both, so the gates of neighbours must mean the same. The rotation that brings them closest
    is orthogonal Procrustes.
    """
    gates = torch.zeros(BASE, BASE, len(target), count)
    for (rows, columns, _, _), at in zip(_patches(target.shape[1]), range(BASE * BASE), strict=True):
        patch = target[:, rows, columns].flatten(1)
        values, vectors = torch.linalg.eigh(patch @ patch.T)
        found = vectors[:, -count:] * values[-count:].clamp_min(0.0).sqrt()
        i, j = divmod(at, BASE)
        near = gates[max(0, i - 1), j] + gates[i, max(0, j - 1)]
        left, _, right = torch.linalg.svd(found.T @ near)
        gates[i, j] = found @ left @ right
    return gates.flatten(0, 1).transpose(1, 2)


def _gates(target: Float[Tensor, "L S S"], detail: Float[Tensor, "S S K"]) -> Float[Tensor, "nodes K L"]:
    """The least-squares gates for given detail maps."""
    count, numbers = detail.shape[2], BASE * BASE * detail.shape[2]
    normal, right = torch.zeros(numbers, numbers), torch.zeros(numbers, len(target))
    for rows, columns, nodes, shares in _patches(len(detail)):
        design = (shares[:, :, None] * detail[rows, columns].reshape(-1, 1, count)).flatten(1)
        index = (nodes[:, None] * count + torch.arange(count)).flatten()
        normal[index[:, None], index] += design.T @ design
        right[index] += design.T @ target[:, rows, columns].flatten(1).T
    return torch.linalg.solve(_regularised(normal), right).view(-1, count, len(target))


def _details(target: Float[Tensor, "L S S"], gates: Float[Tensor, "nodes K L"]) -> Float[Tensor, "S S K"]:
    """The least-squares detail maps for given gates."""
    side, count = target.shape[1], gates.shape[1]
    detail = torch.zeros(side, side, count)
    for rows, columns, nodes, shares in _patches(side):
        near = gates[nodes]
        products = torch.einsum("mkl,njl->mknj", near, near)
        normal = torch.einsum("tm,mknj,tn->tkj", shares, products, shares)
        right = torch.einsum("mkl,lt,tm->tk", near, target[:, rows, columns].flatten(1), shares)
        found = torch.linalg.solve(_regularised(normal), right)
        detail[rows, columns] = found.view(*detail[rows, columns].shape)
    return detail


def _regularised(normal: Float[Tensor, "... n n"]) -> Float[Tensor, "... n n"]:
    """Normal equations made regular: where there is nothing to explain they are singular."""
    mean = normal.diagonal(dim1=-2, dim2=-1).mean()
    return normal + (1e-4 * mean + 1e-30) * torch.eye(normal.shape[-1])
