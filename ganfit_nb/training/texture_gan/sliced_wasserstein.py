"""Sliced Wasserstein distance between two sets of images, by resolution (Karras et al., ICLR 2018, Sec. 5)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ganfit_nb.blur import high_pass

SMALLEST = 16  # side of the last level
PATCH = 7  # side of the patches
PATCHES = 128  # patches of each image at each level
PROJECTIONS = 512
SCALE = 1e3  # distances are given in thousandths, as in the paper


def laplacian_pyramid(images: Float[Tensor, "N H W 3"]) -> dict[int, Float[Tensor, "N 3 h w"]]:
    """What each resolution adds to the one below it, and the lowest resolution itself."""
    x, levels = images.permute(0, 3, 1, 2), {}
    while x.shape[-1] > SMALLEST:
        levels[x.shape[-1]] = high_pass(x)
        x = F.avg_pool2d(x, 2)
    return levels | {x.shape[-1]: x}


def sliced_wasserstein(a: Float[Tensor, "N H W 3"], b: Float[Tensor, "N H W 3"], seed: int = 0) -> dict[int, float]:
    """The distance between the distributions of 7×7 patches of two sets of equal size, in thousandths, by the side of
    the pyramid's level. The distance of two sets of real maps is the floor to compare with."""
    random, distances = torch.Generator().manual_seed(seed), {}
    for (side, x), y in zip(laplacian_pyramid(a).items(), laplacian_pyramid(b).values(), strict=True):
        # Both sets are sampled at the same places: maps are aligned, so this lowers the floor.
        places = torch.randint(side - PATCH + 1, (2, len(x), PATCHES), generator=random)
        distances[side] = _distance(_patches(x, places), _patches(y, places), random)
    return distances


def _patches(level: Float[Tensor, "N 3 H W"], places: Int[Tensor, "2 N P"]) -> Float[Tensor, "M D"]:
    """The patches at these places of every image. Each colour has mean 0 and variance 1 over the set."""
    reach, image = torch.arange(PATCH), torch.arange(len(level))[:, None, None, None]
    rows, columns = places[0, ..., None, None] + reach[:, None], places[1, ..., None, None] + reach
    found = level.permute(0, 2, 3, 1)[image, rows, columns].flatten(0, 1)
    found = (found - found.mean(dim=(0, 1, 2))) / found.std(dim=(0, 1, 2)).clamp_min(1e-8)
    return found.flatten(1)


def _distance(a: Float[Tensor, "M D"], b: Float[Tensor, "M D"], random: torch.Generator) -> float:
    """The mean over random directions of the one-dimensional Wasserstein distance, which sorting gives."""
    directions = F.normalize(torch.randn(a.shape[1], PROJECTIONS, generator=random), dim=0)
    distance = torch.zeros(())
    for part in directions.split(64, dim=1):
        distance += ((a @ part).sort(dim=0)[0] - (b @ part).sort(dim=0)[0]).abs().mean() * part.shape[1]
    return SCALE * float(distance) / PROJECTIONS
