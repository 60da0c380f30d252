"""The amount of detail at each place of an image, and the amount that a latent lets one expect there.

A discriminator cannot teach the second where fits need it. A fit leaves the corpus: an identity network that wants a
lighter corner of the mouth moves z along "no beard", three standard deviations beyond the barest chin. No map and no
random latent lies there, so nothing tells the generator what to draw. A linear regression of the amounts on the latents
does, and it is clamped to what the corpus has.
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

CELL = 8  # side of the cells that amounts are means over, in texels
MAPS = 4000  # maps that the regression is made of: with mirror images enough for 512 numbers, and read in a minute
RIDGE = 0.02  # ridge of the regression, in parts of a latent's variance
PUSH = 4.0  # the most standard deviations by which latents are pushed: as far as fits leave the corpus
CHUNK = 16  # maps read at once


def amounts(image: Float[Tensor, "N H W C"]) -> Float[Tensor, "N h w 4*C"]:
    """The mean strength of the two finest octaves in every cell.

    The lighter and the darker side of an octave count separately. Hairs are dark and sparse, bumps are both.
    """
    return torch.cat([_cells((sign * octave).relu()) for octave in fine_octaves(image) for sign in (1.0, -1.0)], -1)


def detail_loss(
    image: Float[Tensor, "N H W 3"], target: Float[Tensor, "N H W 3"], weight: Float[Tensor, "H W 1"]
) -> Float[Tensor, ""]:
    """L_det: mean absolute difference between the amounts of detail of images and of their targets. It is 0 where the
    weight is."""
    return _weighted((amounts(image) - amounts(target)).abs() / image.shape[-1], weight)


def placement_loss(
    image: Float[Tensor, "N H W 3"], target: Float[Tensor, "N H W 3"], weight: Float[Tensor, "H W 1"]
) -> Float[Tensor, ""]:
    """L_place: one minus the cosine between the detail of an image and of its target, over cells and both octaves.

    It compares where detail lies, and ignores how strong it is. So it does not suppress detail that a latent cannot
    place, as ℓ1 does.
    """
    losses = []
    for ours, theirs in zip(fine_octaves(image), fine_octaves(target), strict=True):
        both, ours, theirs = (
            _cells(product).sum(dim=3, keepdim=True) for product in (ours * theirs, ours.square(), theirs.square())
        )
        losses.append(1.0 - both / (ours * theirs + 1e-6).sqrt())
    return _weighted(torch.cat(losses, dim=3), weight)


@dataclass(frozen=True)
class ExpectedDetail:
    """The linear regression of a corpus' amounts of detail on its latents. Detail is grey: the mean over colours.

    mean         amounts of an average map
    slopes       what one unit of each latent adds
    error        standard deviation of the residuals
    least, most  the extreme amounts in the corpus
    """

    mean: Float[Tensor, "h w 4"]
    slopes: Float[Tensor, "latent h w 4"]
    error: Float[Tensor, "h w 4"]
    least: Float[Tensor, "h w 4"]
    most: Float[Tensor, "h w 4"]

    @classmethod
    def of(cls, maps: ndarray, latents: Float[Tensor, "M latent"]) -> ExpectedDetail:
        """Fits the regression to maps (N, R, R, 3) of bytes and the latents of maps and mirror images, M = 2 N."""
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
        explained = (slopes * (2.0 * covariance - spread @ slopes)).sum(dim=0).view_as(mean)
        error = (second / (2 * count) - mean.square() - explained).clamp_min(0.0).sqrt()
        mean = mean - (z.mean(dim=0) @ slopes).view_as(mean)
        return cls(mean, slopes.view(-1, *mean.shape), error, least, most)

    def within(self, window: Window | None) -> ExpectedDetail:
        """The part of the regression that a window covers."""
        if window is None:
            return self
        rows, columns = (slice(at.start // CELL, at.stop // CELL) for at in window.box(CELL * len(self.mean)))
        whole = (self.mean, self.slopes, self.error, self.least, self.most)
        return ExpectedDetail(*(part[..., rows, columns, :] for part in whole))

    def pushed(self, z: Float[Tensor, "N latent"], random: torch.Generator) -> Float[Tensor, "N latent"]:
        """Moves latents out of the corpus: each by a random distance of up to PUSH, forth or back, along the direction
        in which the detail of a random quarter of the map grows fastest."""
        side = (len(self.mean) + 1) // 2
        moved = []
        for one in z:
            top, left = torch.randint(len(self.mean) - side + 1, (2,), generator=random).tolist()
            direction = self.slopes[:, top : top + side, left : left + side].sum(dim=(1, 2, 3))
            distance = PUSH * (2.0 * torch.rand((), generator=random) - 1.0)
            moved.append(one + distance * F.normalize(direction, dim=0))
        return torch.stack(moved)

    def loss(
        self, image: Float[Tensor, "N H W 3"], z: Float[Tensor, "N latent"], weight: Float[Tensor, "H W 1"]
    ) -> Float[Tensor, ""]:
        """L_exp: how far the amounts of detail of images without a target are from the expected ones. Deviations within
        one standard error cost nothing."""
        expected = self.mean + torch.einsum("nl,lhwk->nhwk", z.cpu(), self.slopes)
        expected = torch.minimum(torch.maximum(expected, self.least), self.most).to(image.device)
        found = amounts(image.mean(dim=3, keepdim=True))
        return _weighted(((found - expected).abs() - self.error.to(image.device)).relu(), weight)


def _weighted(error: Float[Tensor, "N h w K"], weight: Float[Tensor, "H W 1"]) -> Float[Tensor, ""]:
    """Sums over kinds of amounts, and takes the mean over images and the weighted mean over cells."""
    weight = _cells(weight[None])[0, ..., 0]
    return (error.mean(dim=0).sum(dim=2) * weight).sum() / weight.sum().clamp_min(1.0)


def _cells(x: Float[Tensor, "N H W C"]) -> Float[Tensor, "N h w C"]:
    """Means over cells of CELL² texels."""
    return F.avg_pool2d(x.permute(0, 3, 1, 2), CELL).permute(0, 2, 3, 1)
