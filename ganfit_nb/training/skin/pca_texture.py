"""The PCA of a UV corpus (Eq. 1), packed into the shipped asset.

    ganfit train corpus --skins DIR --count 10000 --out corpus
    ganfit train corpus --skins DIR --count 500 --first 10000 --out held_out
    ganfit train pca --corpus corpus --held-out held_out --out texture_pca.safetensors

A map is reduced to the resolution that the asset stores: luma at 7/16 of the side, colour differences at a quarter of
that. Texels on the face get a larger weight than others. A corpus of 256² maps is therefore enough for a 512² model,
with a few maps of 512² for the detail of the mean.
There are fewer maps than texels, so the modes are combinations of the maps. The eigenvectors of the N×N Gram matrix
give them (Sirovich & Kirby 1987) in one pass over the corpus.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float16
from numpy import ndarray
from torch import Tensor
from tqdm import tqdm

from ganfit_nb.colour import YCC_FROM_RGB
from ganfit_nb.errors import GanfitError
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.face.texture import PcaTexture, pack_nibbles
from ganfit_nb.files.outputs import claim_file
from ganfit_nb.files.tensor_files import save_tensors
from ganfit_nb.training.skin.canvas import Face
from ganfit_nb.training.skin.map_file import MAPS, open_maps
from ganfit_nb.training.skin.painting import smoothstep
from ganfit_nb.training.skin.uv_layout import UvLayout

FINE_MODES = 16
SCALP_WEIGHT = 0.25  # weight of a texel outside the face, relative to one inside, in amplitude
CHUNK = 64  # maps at a time


@dataclass(frozen=True)
class TexturePca:
    """The mean, the modes (display values per standard deviation), and how much of the variance they hold.

    `kept` is the share of the weighted variance that all modes together hold.
    """

    mean: Float[Tensor, "H H 3"]
    luma: Float[Tensor, "t h h"]
    chroma: Float[Tensor, "t 2 c c"]
    kept: float

    def save(self, path: Path) -> None:
        """Writes the asset.

        The mean is stored as bytes of the display range. Each mode is stored as integers with a scale. The first
        FINE_MODES have 8 bits. The others, which are hardly visible, have 4.
        """
        tensors = {"mean": (255.0 * self.mean).round().to(torch.uint8)}
        for name, modes in (("luma", self.luma.flatten(1)), ("chroma", self.chroma.flatten(1))):
            steps = torch.where(torch.arange(len(modes)) < FINE_MODES, 127.0, 7.0)
            scale = modes.abs().amax(dim=1).clamp_min(1e-12) / steps
            whole = (modes / scale[:, None]).round().to(torch.int8)
            tensors |= {f"{name}_scale": scale, f"{name}_fine": whole[:FINE_MODES].contiguous()}
            tensors[f"{name}_rest"] = pack_nibbles(whole[FINE_MODES:])
        save_tensors(path, tensors, {"kept_variance": f"{self.kept:.4f}"})


def stored_sides(size: int) -> tuple[int, int]:
    """The sides of luma and colour differences that a model of `size`² maps stores."""
    return 7 * size // 16, 7 * size // 64


def reduce_maps(
    maps: Float[Tensor, "N H H 3"], luma: int, chroma: int
) -> tuple[Float[Tensor, "N h h"], Float[Tensor, "N 2 c c"]]:
    """Luma and colour differences of maps, reduced to the given sides by averaging."""
    ycc = (maps @ YCC_FROM_RGB.T).permute(0, 3, 1, 2)
    return F.adaptive_avg_pool2d(ycc[:, :1], luma)[:, 0], F.adaptive_avg_pool2d(ycc[:, 1:], chroma)


def reduced_weights(
    weight: Float[Tensor, "H W"], luma: int, chroma: int
) -> tuple[Float[Tensor, " y"], Float[Tensor, " c"]]:
    """The weights of the values of `reduce_maps`. A cell of colour counts as the many cells of luma that it covers."""
    wy = F.adaptive_avg_pool2d(weight[None], luma).flatten()
    return wy, F.adaptive_avg_pool2d(weight[None], chroma).flatten().repeat(2) * (luma / chroma)


def face_weight(face: Face) -> Float[Tensor, "H H"]:
    """The weight of each texel: 1 on face and eyes, SCALP_WEIGHT on scalp, neck and ears, 0 off the surface."""
    below = face.height(8) - face.layout.position[..., 1]
    off = np.maximum.reduce(
        [smoothstep(face.hairline, -10.0, 4.0), smoothstep(face.azimuth, 80.0, 90.0), smoothstep(below, 4.0, 22.0)]
    )
    weight = 1.0 - (1.0 - SCALP_WEIGHT) * off
    for _, eye in face.layout.eyes:
        weight[eye] = 1.0
    return torch.from_numpy(np.where(face.layout.covered, weight, 0.02)).float()


def mean_map(maps: ndarray, detail: ndarray) -> Float[Tensor, "S S 3"]:
    """The mean of the maps. Detail finer than their texels comes from the mean of a few larger maps."""
    coarse, fine = (torch.from_numpy(np.mean(m, axis=0, dtype=np.float64)).float() / 255.0 for m in (maps, detail))
    coarse, fine = coarse.permute(2, 0, 1)[None], fine.permute(2, 0, 1)[None]
    missing = coarse - F.adaptive_avg_pool2d(fine, coarse.shape[-1])
    mean = fine + F.interpolate(missing, size=fine.shape[2:], mode="bilinear", align_corners=False)
    return mean[0].permute(1, 2, 0).clamp(0.0, 1.0)


def build_pca(
    maps: ndarray, modes: int, weight: Float[Tensor, "H H"], detail: ndarray, sides: tuple[int, int] | None = None
) -> TexturePca:
    """The PCA of uint8 maps (N, h, h, 3), which may be a memory map, for a model of the size of `detail` (n, H, H, 3).

    In every mode the coefficients of the corpus have mean 0 and standard deviation 1. `sides` are those of luma and
    colour differences, by default those that the asset stores. Raises GanfitError for more modes than maps.
    """
    if modes >= len(maps):
        raise GanfitError(f"{len(maps)} maps give at most {len(maps) - 1} modes, not {modes}; make a larger corpus.")
    stored = stored_sides(detail.shape[1])
    luma, chroma = reduced_corpus(maps, *stored)
    wy, wc = reduced_weights(weight, *stored)
    gram = chroma.mul(wc) @ chroma.mul(wc).T
    for block in torch.arange(luma.shape[1]).split(8192):
        part = luma[:, block].float() * wy[block]
        gram += part @ part.T
    values, vectors = leading_eigenvectors(gram.double() / len(maps), modes)
    if sides:
        luma, chroma = reduced_corpus(maps, *sides)
    # A mode, per standard deviation, is the mean of (map times coefficient) over the corpus.
    mix = (vectors.T / len(maps) ** 0.5).float()
    modes_y = torch.cat([mix @ part.float() for part in luma.split(8192, dim=1)], dim=1)
    modes_c = mix @ chroma
    sign = torch.where(modes_y.sum(dim=1) < 0, -1.0, 1.0)[:, None]  # a larger coefficient makes the skin lighter
    side_y, side_c = sides or stored
    return TexturePca(
        mean_map(maps, detail),
        (sign * modes_y).view(modes, side_y, side_y),
        (sign * modes_c).view(modes, 2, side_c, side_c),
        float(values.sum() * len(maps) / gram.double().trace()),
    )


def leading_eigenvectors(
    symmetric: Float[Tensor, "N N"], count: int
) -> tuple[Float[Tensor, " k"], Float[Tensor, "N k"]]:
    """The largest eigenvalues and their vectors, by subspace iteration (Halko et al. 2011).

    For 10,000 maps it takes seconds; a whole decomposition takes many minutes.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vectors, values, _ = torch.svd_lowrank(symmetric, q=min(len(symmetric), count + count // 8 + 16), niter=8)
    return values[:count], vectors[:, :count]


def reduced_corpus(maps: ndarray, luma: int, chroma: int) -> tuple[Float16[Tensor, "N y"], Float[Tensor, "N c"]]:
    """All maps, reduced to these sides, less their mean."""
    ys, cs = torch.empty(len(maps), luma**2, dtype=torch.float16), torch.empty(len(maps), 2 * chroma**2)
    for start in tqdm(range(0, len(maps), CHUNK), desc="reduce"):
        part = torch.from_numpy(np.array(maps[start : start + CHUNK])).float() / 255.0
        y, c = reduce_maps(part, luma, chroma)
        ys[start : start + CHUNK], cs[start : start + CHUNK] = y.flatten(1), c.flatten(1)
    for block in torch.arange(ys.shape[1]).split(8192):
        ys[:, block] = (ys[:, block].float() - ys[:, block].float().mean(dim=0)).half()
    return ys, cs - cs.mean(dim=0)


def project(model: PcaTexture, image: Float[Tensor, "H H 3"], weight: Float[Tensor, "H H"]) -> Float[Tensor, " t"]:
    """The coefficients of the weighted least-squares approximation of a map."""
    sides = model.luma.shape[-1], model.chroma.shape[-1]
    y, c = reduce_maps((image - model.mean)[None], *sides)
    wy, wc = reduced_weights(weight, *sides)
    basis = torch.cat([model.luma.flatten(1) * wy, model.chroma.flatten(1) * wc], dim=1)
    target = torch.cat([y.flatten() * wy, c.flatten() * wc])
    return torch.linalg.lstsq(basis @ basis.T, basis @ target).solution


def held_out_errors(model: PcaTexture, maps: ndarray, weight: Float[Tensor, "H H"]) -> tuple[float, float]:
    """The weighted mean absolute error of the maps' reconstructions, and that of the mean map, in display values."""
    errors = torch.zeros(2)
    for image in maps:
        target = torch.from_numpy(np.array(image)).float() / 255.0
        for k, guess in enumerate((model(project(model, target, weight)), model.mean)):
            errors[k] += ((guess - target).abs().mean(dim=2) * weight).sum() / weight.sum() / len(maps)
    return float(errors[0]), float(errors[1])


def main(arguments: argparse.Namespace) -> None:
    """Runs the command. The held-out maps take no part in the PCA, so they test it."""
    maps, held_out = (open_maps(folder / MAPS) for folder in (arguments.corpus, arguments.held_out))
    claim_file(arguments.out, _is_texture)
    weight = face_weight(Face(UvLayout.of(MorphableModel.default(), held_out.shape[1])))
    pca = build_pca(maps, arguments.modes, weight, held_out)
    pca.save(arguments.out)
    error, spread = held_out_errors(PcaTexture.load(arguments.out), held_out, weight)
    print(f"{arguments.modes} modes of {len(maps)} maps keep {100 * pca.kept:.2f} % of the weighted variance")
    print(f"mean absolute error on {len(held_out)} held-out maps {error:.4f}, of the mean map {spread:.4f}")


def _is_texture(path: Path) -> bool:
    try:
        PcaTexture.load(path)
    except GanfitError:
        return False
    return True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="what `ganfit train corpus` wrote")
    parser.add_argument("--held-out", type=Path, required=True, metavar="DIR", help="the same of other people")
    parser.add_argument("--modes", type=int, default=512, help="number of coefficients (default %(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the safetensors file to write")
