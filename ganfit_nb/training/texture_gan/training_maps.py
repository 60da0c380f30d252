"""A corpus as a progressive GAN needs it: at every resolution, with mirror images, and with a latent for each map.

A map's code holds its whitened principal components. The inverse of their marginals makes a latent of it, which is
nearly N(0, I). Half of a batch are latents of maps: there the generator learns to draw that very map. The other half
are random latents. So the latent space is anchored to the corpus: a small corpus suffices, maps that were not in it
have latents too, and the first axes are those along which people differ most.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.networks.marginals import Marginals, corpus_marginals
from ganfit_nb.networks.progressive_generator import COARSE, Window, lightness_and_tint
from ganfit_nb.training.skin.canvas import Face
from ganfit_nb.training.skin.pca_texture import face_weight
from ganfit_nb.training.texture_gan.corpus_pca import detail_components, principal_codes
from ganfit_nb.training.texture_gan.detail_amounts import ExpectedDetail
from ganfit_nb.training.texture_gan.map_pyramid import pyramid
from ganfit_nb.training.texture_gan.placed_detail import placed_detail

MEAN_MAPS = 2000  # maps that the mean is taken of: enough, and read in seconds
DETAIL_MAPS = 300  # maps that the components of detail are taken of


@dataclass(frozen=True)
class TrainingMaps:
    """The maps of a corpus, of index 0 to N − 1, and their mirror images, of index N to 2N − 1.

    levels        maps (N, S, S, 3) of bytes, by resolution
    mean          mean of MEAN_MAPS maps at the largest resolution
    weight        weight of every texel in losses, at the largest resolution
    eyes          1 within the eyes and 0 elsewhere, at the largest resolution
    codes         whitened principal components of every map
    luma, chroma  what one unit of each code adds at COARSE, as the generator stores it
    marginals     distribution of the codes
    latents       latent of every map
    """

    levels: dict[int, ndarray]
    mean: Float[Tensor, "R R 3"]
    weight: Float[Tensor, "R R 1"]
    eyes: Float[Tensor, "R R 1"]
    codes: Float[Tensor, "M latent"]
    luma: Float[Tensor, "latent 1 h h"]
    chroma: Float[Tensor, "latent 2 c c"]
    marginals: Marginals
    latents: Float[Tensor, "M latent"]

    @classmethod
    def of(cls, path: Path, latent: int, face: Face) -> TrainingMaps:
        """Reads a corpus in the layout of `face` and computes its codes of `latent` numbers. GanfitError unless it has
        more than half as many maps."""
        levels, weight = pyramid(path), face_weight(face)
        side = max(levels)
        if 2 * len(levels[side]) <= latent:
            raise GanfitError(f"Codes of {latent} numbers need more than {latent // 2} maps; make a larger corpus.")
        codes, luma, chroma = principal_codes(levels[min(side, 2 * COARSE)], latent, weight)
        mean = torch.from_numpy(np.mean(levels[side][:MEAN_MAPS], axis=0, dtype=np.float32)) / 255.0
        marginals = corpus_marginals(codes)
        latents = marginals.inverse(codes)
        eyes = torch.from_numpy(np.any([eye for _, eye in face.layout.eyes], axis=0)).float()
        mean, weight, eyes = 0.5 * (mean + mean.flip(1)), weight[..., None], eyes[..., None]
        return cls(levels, mean, weight, eyes, codes, luma, chroma, marginals, latents)

    def __len__(self) -> int:
        return len(self.codes)

    def images(
        self, index: Int[Tensor, " n"], resolution: int, window: Window | None = None
    ) -> Float[Tensor, "n H W 3"]:
        """Maps in display values, or the same window of each."""
        maps, count = self.levels[resolution], len(self) // 2
        rows, columns = window.box(resolution) if window else (slice(None), slice(None))
        images = []
        for k in index.tolist():
            image = maps[k % count][:, ::-1] if k >= count else maps[k]
            images.append(np.ascontiguousarray(image[rows, columns]))
        return torch.from_numpy(np.stack(images)).float() / 255.0

    @property
    def coarse_mean(self) -> Float[Tensor, "h w 3"]:
        """The mean of all maps and mirror images at COARSE."""
        mean = torch.from_numpy(np.mean(self.levels[COARSE], axis=0, dtype=np.float64)).float() / 255.0
        return 0.5 * (mean + mean.flip(1))

    @property
    def tints(self) -> Float[Tensor, "2 2 h w"]:
        """The 1st and the 99th percentile of the tint of every texel at COARSE. Eyes have no bounds, because irises
        are finer than COARSE."""
        parts = [
            torch.from_numpy(np.array(rows)).float() / 255.0 for rows in np.split(self.levels[COARSE], COARSE, axis=1)
        ]
        shares = torch.tensor([0.01, 0.99])
        found = torch.cat([torch.quantile(lightness_and_tint(part)[1], shares, dim=0) for part in parts], dim=1)
        low, high = found.permute(0, 3, 1, 2)
        free = 1e4 * F.adaptive_max_pool2d(self.eyes[..., 0][None], COARSE)
        return torch.stack([torch.minimum(low, low.flip(2)) - free, torch.maximum(high, high.flip(2)) + free])

    @cached_property
    def expected_detail(self) -> ExpectedDetail:
        """The amounts of detail that latents let one expect at the largest resolution."""
        return ExpectedDetail.of(self.levels[max(self.levels)], self.latents)

    @staticmethod
    def reduced(whole: Float[Tensor, "R R C"], resolution: int, window: Window | None) -> Float[Tensor, "H W C"]:
        """`mean`, `weight` or `eyes` at another resolution, or a window of it."""
        if resolution < len(whole):
            whole = F.adaptive_avg_pool2d(whole.permute(2, 0, 1)[None], resolution)[0].permute(1, 2, 0)
        return whole[window.box(resolution)] if window else whole

    def detail(self, resolution: int, count: int) -> Float[Tensor, "H H count"]:
        """Learnt detail maps to begin with: principal components of the detail of DETAIL_MAPS maps."""
        weight = self.reduced(self.weight, resolution, None)
        return detail_components(self.levels[resolution][:DETAIL_MAPS], count, weight)

    def placed_detail(
        self, resolution: int, count: int
    ) -> tuple[Float[Tensor, "H H K"], Float[Tensor, "latent_and_1 g g K"]]:
        """Placed detail maps of a resolution, and their gates (placed_detail.py)."""
        return placed_detail(self.levels[resolution], self.codes, count)
