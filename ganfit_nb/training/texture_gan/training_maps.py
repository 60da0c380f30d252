"""A corpus as a progressive GAN is fed with it: every resolution, both mirror images, and a code for each map.

The codes are the corpus' whitened principal components; passed through their marginals they are latents, nearly
N(0, I). The generator is told to turn the latent of a map into that map while the discriminator judges it on random
ones: this anchors the latent space, so that few pictures suffice, a map that was never seen has a latent, and the first
axes are the ones along which people differ most.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from tqdm import tqdm

from ganfit_nb.blur import high_pass
from ganfit_nb.errors import GanfitError
from ganfit_nb.files.outputs import replaced
from ganfit_nb.networks.marginals import Marginals, corpus_marginals
from ganfit_nb.networks.progressive_generator import COARSE, Window, relative_colour
from ganfit_nb.training.skin.canvas import Face
from ganfit_nb.training.skin.map_file import open_maps, write_maps
from ganfit_nb.training.skin.pca_texture import face_weight, reduce_maps, reduced_weights
from ganfit_nb.training.texture_gan.detail_amounts import ExpectedDetail
from ganfit_nb.training.texture_gan.placed_detail import placed_detail

MEAN_MAPS = 2000  # enough for the mean, and read in seconds
DETAIL_MAPS = 300  # to take the components of detail from
CHUNK = 64  # maps a time


def pyramid(path: Path) -> dict[int, ndarray]:
    """The maps of a corpus (N, R, R, 3) at every power of two from COARSE to R. Smaller ones are made by area averages
    and kept beside the file; GanfitError when another file has such a name."""
    maps = open_maps(path)
    levels = {}
    while True:
        levels[maps.shape[1]] = maps
        side = maps.shape[1] // 2
        if side < COARSE:
            return levels
        smaller = path.with_name(f"{path.stem}_{side}.npy")
        if not smaller.exists():
            with replaced(smaller) as work:
                write_maps(work, len(maps), side, _halved(maps))
        elif open_maps(smaller).shape != (len(maps), side, side, 3) or _changed(smaller) < _changed(path):
            raise GanfitError(f"{smaller} was not made of {path}; move it away.")
        maps = open_maps(smaller)


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _halved(maps: ndarray) -> Iterator[ndarray]:
    for start in tqdm(range(0, len(maps), CHUNK), desc=f"{maps.shape[1] // 2}² maps"):
        part = np.asarray(maps[start : start + CHUNK], np.uint16)
        total = part[:, ::2, ::2] + part[:, 1::2, ::2] + part[:, ::2, 1::2] + part[:, 1::2, 1::2]
        yield (total + 2) // 4


@dataclass(frozen=True)
class TrainingMaps:
    """Maps 0 … N − 1 of a corpus and their mirror images N … 2N − 1.

    levels  maps by side, (N, S, S, 3) uint8
    mean    mean of MEAN_MAPS maps of the largest side
    weight  what a texel of the largest side counts
    eyes    1 within the eyes, 0 elsewhere
    codes   whitened principal components of every map
    luma    and chroma: what one unit of each code adds at COARSE, as the generator stores it
    marginals, latents  how the codes are distributed, and the codes as Gaussian ones
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
        """Reads a corpus in the layout of `face` and computes its codes. GanfitError for fewer maps than a code has
        numbers."""
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

    def pictures(
        self, index: Int[Tensor, " n"], resolution: int, window: Window | None = None
    ) -> Float[Tensor, "n H W 3"]:
        """Maps in display values, or the same window of each."""
        maps, count = self.levels[resolution], len(self) // 2
        rows, columns = window.box(resolution) if window else (slice(None), slice(None))
        pictures = []
        for k in index.tolist():
            picture = maps[k % count][:, ::-1] if k >= count else maps[k]
            pictures.append(np.ascontiguousarray(picture[rows, columns]))
        return torch.from_numpy(np.stack(pictures)).float() / 255.0

    @property
    def coarse_mean(self) -> Float[Tensor, "h w 3"]:
        """Mean of all maps and mirror images at COARSE."""
        mean = torch.from_numpy(np.mean(self.levels[COARSE], axis=0, dtype=np.float64)).float() / 255.0
        return 0.5 * (mean + mean.flip(1))

    @property
    def tints(self) -> Float[Tensor, "2 2 h w"]:
        """Lowest and highest relative colour of every texel at COARSE, but for a hundredth of the corpus each.
        Irises are finer than COARSE, so eyes are free."""
        parts = [
            torch.from_numpy(np.array(rows)).float() / 255.0 for rows in np.split(self.levels[COARSE], COARSE, axis=1)
        ]
        shares = torch.tensor([0.01, 0.99])
        found = torch.cat([torch.quantile(relative_colour(part)[1], shares, dim=0) for part in parts], dim=1)
        low, high = found.permute(0, 3, 1, 2)
        free = 1e4 * F.adaptive_max_pool2d(self.eyes[..., 0][None], COARSE)
        return torch.stack([torch.minimum(low, low.flip(2)) - free, torch.maximum(high, high.flip(2)) + free])

    @cached_property
    def expected_detail(self) -> ExpectedDetail:
        """What the latents tell of the detail of the largest maps."""
        return ExpectedDetail.of(self.levels[max(self.levels)], self.latents)

    @staticmethod
    def part(whole: Float[Tensor, "R R C"], resolution: int, window: Window | None) -> Float[Tensor, "H W C"]:
        """A picture of the largest side, reduced, or its window."""
        if resolution < len(whole):
            whole = F.adaptive_avg_pool2d(whole.permute(2, 0, 1)[None], resolution)[0].permute(1, 2, 0)
        return whole[window.box(resolution)] if window else whole

    def detail(self, resolution: int, count: int) -> Float[Tensor, "H H count"]:
        """Principal components of the detail of DETAIL_MAPS maps at a resolution."""
        return detail_components(self.levels[resolution][:DETAIL_MAPS], count, self.part(self.weight, resolution, None))

    def placed_detail(
        self, resolution: int, count: int
    ) -> tuple[Float[Tensor, "H H K"], Float[Tensor, "latent_and_1 g g K"]]:
        """Detail maps of what the codes place at a resolution, and their gates (placed_detail.py)."""
        return placed_detail(self.levels[resolution], self.codes, count)


def principal_codes(
    maps: ndarray, latent: int, weight: Float[Tensor, "R R"]
) -> tuple[Float[Tensor, "M latent"], Float[Tensor, "latent 1 h h"], Float[Tensor, "latent 2 c c"]]:
    """Whitened principal components of maps and their mirror images, and what one unit of each adds to luma and
    colour."""
    rows = []
    for start in range(0, len(maps), CHUNK):
        part = torch.from_numpy(np.array(maps[start : start + CHUNK])).float() / 255.0
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
    """The first principal components of what maps hold beyond half their side, in luma, of unit mean square: what
    detail maps begin with. Texels count by their weight, lest the scalp's noise be all that is found."""
    rows = []
    for start in range(0, len(maps), CHUNK):
        part = torch.from_numpy(np.array(maps[start : start + CHUNK])).float().mean(dim=3)[:, None]
        rows.append(high_pass(part).flatten(1).half())
    data = torch.cat(rows + [row.view(-1, *maps.shape[1:3]).flip(2).flatten(1) for row in rows])
    gram = torch.zeros(len(data), len(data))
    for part, worth in zip(data.split(1 << 14, dim=1), weight.flatten().split(1 << 14), strict=True):
        gram += (part.float() * worth) @ (part.float() * worth).T
    vectors = torch.linalg.eigh(gram.double())[1].flip(1)[:, :count].float()
    found = torch.cat([vectors.T @ part.float() for part in data.split(1 << 14, dim=1)], dim=1)
    return (found / found.square().mean(dim=1, keepdim=True).sqrt()).T.reshape(*maps.shape[1:3], count)
