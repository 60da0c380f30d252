"""How much detail a picture has at each place, and how much a latent lets one expect there.

Fits leave the corpus: an identity network that wants a lighter corner of the mouth moves z along "no beard", three
standard deviations beyond the barest chin, where neither maps nor random latents ever are and a generator draws
whatever it likes. How much detail to draw a linear regression tells even there, kept within what the corpus has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from ganfit_nb.networks.progressive_generator import Window
from ganfit_nb.training.texture_gan.discriminator import fine_octaves

CELL = 8  # texels over which detail is added up
MAPS = 4000  # enough, with their mirror images, for a regression on 512 numbers; read in a minute
RIDGE = 0.02  # of a latent's variance
PUSH = 4.0  # standard deviations by which fits leave the corpus
CHUNK = 16  # maps a time


def amounts(picture: Float[Tensor, "N H W C"]) -> Float[Tensor, "N h w 4*C"]:
    """How strong the two finest octaves are in every cell, what is lighter and what is darker each by itself: hairs are
    sparse and dark where bumps are both."""
    return torch.cat([_cells((sign * octave).relu()) for octave in fine_octaves(picture) for sign in (1.0, -1.0)], -1)


def detail_loss(
    picture: Float[Tensor, "N H W 3"], target: Float[Tensor, "N H W 3"], weight: Float[Tensor, "H W 1"]
) -> Float[Tensor, ""]:
    """L_det: the difference between the amounts of detail of pictures and their maps; 0 where nothing counts."""
    return _weighted((amounts(picture) - amounts(target)).abs() / picture.shape[-1], weight)


def placement_loss(
    picture: Float[Tensor, "N H W 3"], target: Float[Tensor, "N H W 3"], weight: Float[Tensor, "H W 1"]
) -> Float[Tensor, ""]:
    """L_place: one minus the cosine between the detail of a cell and of the map's, for both octaves. Unlike ℓ1 it does
    not mind how strong the detail is, so it places what a latent can place and does not wipe out the rest."""
    losses = []
    for ours, theirs in zip(fine_octaves(picture), fine_octaves(target), strict=True):
        both, ours, theirs = (
            _cells(product).sum(dim=3, keepdim=True) for product in (ours * theirs, ours.square(), theirs.square())
        )
        losses.append(1.0 - both / (ours * theirs + 1e-6).sqrt())
    return _weighted(torch.cat(losses, dim=3), weight)


@dataclass(frozen=True)
class ExpectedDetail:
    """Linear regression of a corpus' amounts of detail, in the mean over colours, on its latents.

    mean         amounts of an average map
    slopes       what one standard deviation of each latent adds
    error        standard deviation of what the latents do not tell
    least, most  what any map of the corpus has
    """

    mean: Float[Tensor, "h w 4"]
    slopes: Float[Tensor, "latent h w 4"]
    error: Float[Tensor, "h w 4"]
    least: Float[Tensor, "h w 4"]
    most: Float[Tensor, "h w 4"]

    @classmethod
    def of(cls, maps: ndarray, latents: Float[Tensor, "M latent"]) -> ExpectedDetail:
        """From maps (N, R, R, 3) of bytes and the latents of them and of their mirror images, 2 N in all."""
        count, (ours, mirrored) = min(MAPS, len(maps)), latents.split(len(maps))
        side = maps.shape[1] // CELL
        first, second = torch.zeros(side, side, 4), torch.zeros(side, side, 4)
        product = torch.zeros(latents.shape[1], first.numel())
        least, most = torch.full((side, side, 4), torch.inf), torch.zeros(side, side, 4)
        for start in range(0, count, CHUNK):
            at = slice(start, min(start + CHUNK, count))
            found = amounts(torch.from_numpy(np.array(maps[at])).float().mean(dim=3, keepdim=True) / 255.0)
            z, found = torch.cat([ours[at], mirrored[at]]), torch.cat([found, found.flip(2)])
            first, second = first + found.sum(dim=0), second + found.square().sum(dim=0)
            product = product + z.T @ found.flatten(1)
            least, most = torch.minimum(least, found.amin(dim=0)), torch.maximum(most, found.amax(dim=0))
        z, mean = torch.cat([ours[:count], mirrored[:count]]), first / (2 * count)
        covariance = product / (2 * count) - z.mean(dim=0)[:, None] * mean.flatten()
        spread = torch.cov(z.T, correction=0)
        slopes = torch.linalg.solve(spread + RIDGE * torch.eye(z.shape[1]), covariance)
        told = (slopes * (2.0 * covariance - spread @ slopes)).sum(dim=0).view_as(mean)
        error = (second / (2 * count) - mean.square() - told).clamp_min(0.0).sqrt()
        mean = mean - (z.mean(dim=0) @ slopes).view_as(mean)
        return cls(mean, slopes.view(-1, *mean.shape), error, least, most)

    def within(self, window: Window | None) -> ExpectedDetail:
        """The same of a window."""
        if window is None:
            return self
        rows, columns = (slice(at.start // CELL, at.stop // CELL) for at in window.box(CELL * len(self.mean)))
        whole = (self.mean, self.slopes, self.error, self.least, self.most)
        return ExpectedDetail(*(part[..., rows, columns, :] for part in whole))

    def pushed(self, z: Float[Tensor, "N latent"], random: torch.Generator) -> Float[Tensor, "N latent"]:
        """Latents moved by up to PUSH along what makes the detail of a place grow, each by its own place and far."""
        side = (len(self.mean) + 1) // 2
        moved = []
        for one in z:
            top, left = torch.randint(len(self.mean) - side + 1, (2,), generator=random).tolist()
            direction = self.slopes[:, top : top + side, left : left + side].sum(dim=(1, 2, 3))
            far = PUSH * (2.0 * torch.rand((), generator=random) - 1.0)
            moved.append(one + far * F.normalize(direction, dim=0))
        return torch.stack(moved)

    def loss(
        self, picture: Float[Tensor, "N H W 3"], z: Float[Tensor, "N latent"], weight: Float[Tensor, "H W 1"]
    ) -> Float[Tensor, ""]:
        """L_det of pictures that no map belongs to: how far their amounts of detail are from the expected ones, beyond
        the error that these have."""
        expected = self.mean + torch.einsum("nl,lhwk->nhwk", z.cpu(), self.slopes)
        expected = torch.minimum(torch.maximum(expected, self.least), self.most).to(picture.device)
        found = amounts(picture.mean(dim=3, keepdim=True))
        return _weighted(((found - expected).abs() - self.error.to(picture.device)).relu(), weight)


def _weighted(error: Float[Tensor, "N h w K"], weight: Float[Tensor, "H W 1"]) -> Float[Tensor, ""]:
    """Sum over the kinds of amounts, mean over pictures and cells, these weighted."""
    weight = _cells(weight[None])[0, ..., 0]
    return (error.mean(dim=0).sum(dim=2) * weight).sum() / weight.sum().clamp_min(1.0)


def _cells(x: Float[Tensor, "N H W C"]) -> Float[Tensor, "N h w C"]:
    """Means over CELL² texels."""
    return F.avg_pool2d(x.permute(0, 3, 1, 2), CELL).permute(0, 2, 3, 1)
