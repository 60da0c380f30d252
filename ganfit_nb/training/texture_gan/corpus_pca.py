"""The principal components of a corpus: its codes, the linear model of a generator, and its first detail maps."""

from __future__ import annotations

import torch
from jaxtyping import Float
from numpy import array, ndarray
from torch import Tensor

from ganfit_nb.networks.equalized import finest_octave
from ganfit_nb.networks.progressive_generator import COARSE
from ganfit_nb.training.skin.pca_texture import reduce_maps, reduced_weights

CHUNK = 64  # maps read at once


def principal_codes(
    maps: ndarray, latent: int, weight: Float[Tensor, "R R"]
) -> tuple[Float[Tensor, "M latent"], Float[Tensor, "latent 1 h h"], Float[Tensor, "latent 2 c c"]]:
    """The whitened principal components of maps and their mirror images, and the luma and chroma that one unit of each
    adds."""
    rows = []
    for start in range(0, len(maps), CHUNK):
        part = torch.from_numpy(array(maps[start : start + CHUNK])).float() / 255.0
        for side in (part, part.flip(2)):
            luma, chroma = reduce_maps(side, COARSE, COARSE // 4)
            rows.append(torch.cat([luma.flatten(1), chroma.flatten(1)], dim=1))
    data = torch.cat(rows[0::2] + rows[1::2])
    data -= data.mean(dim=0)
    worth = torch.cat(reduced_weights(weight, COARSE, COARSE // 4))
    values, vectors = principal_axes(data * worth, latent)
    vectors = vectors * torch.where(vectors.sum(dim=0) < 0, -1.0, 1.0)
    codes = data @ (worth[:, None] * vectors / values.clamp_min(1e-12).sqrt()).float()
    modes = codes.T @ data / len(data)
    luma, chroma = modes[:, : COARSE**2], modes[:, COARSE**2 :]
    return codes, luma.view(latent, 1, COARSE, COARSE), chroma.view(latent, 2, COARSE // 4, COARSE // 4)


def principal_axes(data: Float[Tensor, "M D"], count: int) -> tuple[Float[Tensor, " count"], Float[Tensor, "D count"]]:
    """The largest variances of centred data and their unit directions, from the smaller of its two Gram matrices."""
    if len(data) > data.shape[1]:
        values, vectors = torch.linalg.eigh((data.T @ data / len(data)).double())
        return values.flip(0)[:count], vectors.flip(1)[:, :count]
    values, weights = torch.linalg.eigh((data @ data.T / len(data)).double())
    vectors = data.T.double() @ weights.flip(1)[:, :count]
    return values.flip(0)[:count], vectors / vectors.norm(dim=0)


def detail_components(maps: ndarray, count: int, weight: Float[Tensor, "H H 1"]) -> Float[Tensor, "H H count"]:
    """The first principal components of the finest octave of maps, grey and of unit mean square.

    The learnt detail maps of a generator begin with them. Texels count by `weight`: the noise of the scalp would
    otherwise fill the first components.
    """
    rows = []
    for start in range(0, len(maps), CHUNK):
        part = torch.from_numpy(array(maps[start : start + CHUNK])).float().mean(dim=3, keepdim=True)
        rows.append(finest_octave(part).flatten(1).half())
    data = torch.cat(rows + [row.view(-1, *maps.shape[1:3]).flip(2).flatten(1) for row in rows])
    gram = torch.zeros(len(data), len(data))
    for part, worth in zip(data.split(1 << 14, dim=1), weight.flatten().split(1 << 14), strict=True):
        gram += (part.float() * worth) @ (part.float() * worth).T
    vectors = torch.linalg.eigh(gram.double())[1].flip(1)[:, :count].float()
    found = torch.cat([vectors.T @ part.float() for part in data.split(1 << 14, dim=1)], dim=1)
    return (found / found.square().mean(dim=1, keepdim=True).sqrt()).T.reshape(*maps.shape[1:3], count)
