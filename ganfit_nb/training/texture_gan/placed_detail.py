"""The detail that codes can place, in closed form: before a GAN is trained its maps already have most of their brows,
wrinkles and pores where their codes say.

What the codes tell of the texels of an octave is a linear regression. A generator has no room for all its numbers, but
nearby texels follow the same few of them: it is factored into detail maps D_k and gates linear in the codes, given on
the SEED² grid and interpolated. Either factor is a linear least squares problem while the other is held.
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

from ganfit_nb.networks.equalized import enlarge, halve
from ganfit_nb.networks.progressive_generator import SEED, hats

RIDGE = 0.02  # of a code's variance
ROUNDS = 3  # of alternating least squares; more change the third digit of what is explained
CHUNK = 64  # maps a time


def placed_detail(
    maps: ndarray, codes: Float[Tensor, "M latent"], count: int
) -> tuple[Float[Tensor, "S S K"], Float[Tensor, "latent_and_1 g g K"]]:
    """`count` detail maps of unit mean square for the finest octave of maps (N, S, S, 3) of bytes; and their gates, at
    code zero and what one unit of each code adds. Codes are of the maps and of their mirror images, 2 N in all, and as
    long as `count` at least."""
    return factored(octave_regression(maps, codes), count)


def factored(target: Float[Tensor, "L S S"], count: int) -> tuple[Float[Tensor, "S S K"], Float[Tensor, "L g g K"]]:
    """A regression as `count` maps and their gates, by alternating least squares."""
    gates = _first_gates(target, count)
    for _ in range(ROUNDS):
        detail = _details(target, gates)
        gates = _gates(target, detail)
    strength = detail.square().mean(dim=(0, 1)).sqrt().clamp_min(1e-9)
    return detail / strength, (gates * strength[:, None]).permute(2, 0, 1).reshape(-1, SEED, SEED, count)


def octave_regression(maps: ndarray, codes: Float[Tensor, "M latent"]) -> Float[Tensor, "latent_and_1 S S"]:
    """The finest octave, in the mean over colours, of an average map, and what one unit of each code adds."""
    count, side = maps.shape[:2]
    ours, mirrored = F.pad(codes, (1, 0), value=1.0).split(count)
    found = torch.zeros(ours.shape[1], side * side)
    for start in range(0, count, CHUNK):
        at = slice(start, start + CHUNK)
        picture = torch.from_numpy(maps[at].mean(axis=3, dtype=np.float32) / 255.0)[..., None]
        octave = (picture - enlarge(halve(picture), "bilinear"))[..., 0]
        found.addmm_(ours[at].T, octave.flatten(1)).addmm_(mirrored[at].T, octave.flip(2).flatten(1))
    ridge = 2 * count * RIDGE * torch.eye(len(found))
    ridge[0, 0] = 0.0  # the mean is no code
    inverse = torch.linalg.inv(ours.T @ ours + mirrored.T @ mirrored + ridge)
    for part in found.split(1 << 14, dim=1):
        part.copy_(inverse @ part)  # in place: at 512² this is half a gigabyte
    return found.view(-1, side, side)


class _Patch(NamedTuple):
    """The texels nearest to a node of the grid, the nodes that they lie between, and the share of each."""

    rows: slice
    columns: slice
    nodes: Int[Tensor, " m"]
    shares: Float[Tensor, "t m"]


def _patches(side: int) -> Iterator[_Patch]:
    share, size, grid = hats(side), side // SEED, torch.arange(SEED * SEED).view(SEED, SEED)
    for i in range(SEED):
        for j in range(SEED):
            rows, columns = (slice(k * size, (k + 1) * size) for k in (i, j))
            down, right = (slice(max(0, k - 1), k + 2) for k in (i, j))
            shares = torch.einsum("pr,qc->rcpq", share[down, rows], share[right, columns])
            yield _Patch(rows, columns, grid[down, right].flatten(), shares.reshape(size * size, -1))


def _first_gates(target: Float[Tensor, "L S S"], count: int) -> Float[Tensor, "nodes K L"]:
    """The principal components of every patch by itself, turned so that they are most like those of the patches above
    and to the left: what lies between nodes must get along with either's gates."""
    gates = torch.zeros(SEED, SEED, len(target), count)
    for (rows, columns, _, _), at in zip(_patches(target.shape[1]), range(SEED * SEED), strict=True):
        patch = target[:, rows, columns].flatten(1)
        values, vectors = torch.linalg.eigh(patch @ patch.T)
        found = vectors[:, -count:] * values[-count:].clamp_min(0.0).sqrt()
        i, j = divmod(at, SEED)
        near = gates[max(0, i - 1), j] + gates[i, max(0, j - 1)]
        left, _, right = torch.linalg.svd(found.T @ near)
        gates[i, j] = found @ left @ right
    return gates.flatten(0, 1).transpose(1, 2)


def _gates(target: Float[Tensor, "L S S"], detail: Float[Tensor, "S S K"]) -> Float[Tensor, "nodes K L"]:
    """The best gates for these detail maps."""
    count, numbers = detail.shape[2], SEED * SEED * detail.shape[2]
    normal, right = torch.zeros(numbers, numbers), torch.zeros(numbers, len(target))
    for rows, columns, nodes, shares in _patches(len(detail)):
        design = (shares[:, :, None] * detail[rows, columns].reshape(-1, 1, count)).flatten(1)
        index = (nodes[:, None] * count + torch.arange(count)).flatten()
        normal[index[:, None], index] += design.T @ design
        right[index] += design.T @ target[:, rows, columns].flatten(1).T
    return torch.linalg.solve(_steadied(normal), right).view(-1, count, len(target))


def _details(target: Float[Tensor, "L S S"], gates: Float[Tensor, "nodes K L"]) -> Float[Tensor, "S S K"]:
    """The best detail maps for these gates."""
    side, count = target.shape[1], gates.shape[1]
    detail = torch.zeros(side, side, count)
    for rows, columns, nodes, shares in _patches(side):
        near = gates[nodes]
        products = torch.einsum("mkl,njl->mknj", near, near)
        normal = torch.einsum("tm,mknj,tn->tkj", shares, products, shares)
        right = torch.einsum("mkl,lt,tm->tk", near, target[:, rows, columns].flatten(1), shares)
        found = torch.linalg.solve(_steadied(normal), right)
        detail[rows, columns] = found.view(*detail[rows, columns].shape)
    return detail


def _steadied(normal: Float[Tensor, "... n n"]) -> Float[Tensor, "... n n"]:
    """Normal equations that have a solution where there is nothing to explain."""
    mean = normal.diagonal(dim1=-2, dim2=-1).mean()
    return normal + (1e-4 * mean + 1e-30) * torch.eye(normal.shape[-1])
