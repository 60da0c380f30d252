"""The PCA of a UV corpus (Eq. 1), packed into the shipped asset.

    python -m ganfit_nb.training.uv_corpus --skins DIR --size 256 --count 1250 --out corpus
    python -m ganfit_nb.training.uv_corpus --skins DIR --seed 1 --count 80 --out detail
    python -m ganfit_nb.training.pca_texture --corpus corpus/maps.npy --detail detail/maps.npy --out FILE

A map is reduced to what the asset stores: luma at half the side, colour differences at an eighth, each texel weighted
by its worth to a face. So a corpus of 256² maps does for a 512² model, with a few maps at 512² for the mean's detail.
With fewer maps than texels the modes are combinations of the maps, so the eigenvectors of the N×N Gram matrix give them
all (Sirovich & Kirby 1987) in one pass over the corpus.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from ganfit_nb.errors import GanfitError
from ganfit_nb.morphable import MorphableModel
from ganfit_nb.texture import RGB_FROM_YCC, PcaTexture
from ganfit_nb.training.canvas import Face
from ganfit_nb.training.painting import smoothstep
from ganfit_nb.training.uv_layout import UvLayout

LUMA_SHRINK, CHROMA_SHRINK = 2, 8
YCC_FROM_RGB = torch.linalg.inv(RGB_FROM_YCC)
SCALP_WEIGHT = 0.25  # of a texel outside the face against one inside, in amplitude
CHUNK = 64  # maps a time


@dataclass(frozen=True)
class TexturePca:
    """Mean, modes in display values per standard deviation, and the share of the weighted variance they keep."""

    mean: Float[Tensor, "H H 3"]
    luma: Float[Tensor, "t h h"]
    chroma: Float[Tensor, "t 2 c c"]
    kept: float

    def save(self, path: Path) -> None:
        """Writes the asset: the mean as bytes of the display range, modes as int8 with a scale each."""
        luma_scale = self.luma.abs().amax(dim=(1, 2)) / 127.0
        chroma_scale = self.chroma.abs().amax(dim=(1, 2, 3)) / 127.0
        tensors = {
            "mean": (255.0 * self.mean).to(torch.float16),
            "luma": (self.luma / luma_scale[:, None, None]).round().to(torch.int8),
            "luma_scale": luma_scale,
            "chroma": (self.chroma / chroma_scale[:, None, None, None]).round().to(torch.int8),
            "chroma_scale": chroma_scale,
        }
        save_file(tensors, path, metadata={"kept_variance": f"{self.kept:.4f}"})


def reduce_maps(maps: Float[Tensor, "N H H 3"], size: int) -> tuple[Float[Tensor, "N h h"], Float[Tensor, "N 2 c c"]]:
    """Luma at half the model's side and colour differences at an eighth, by area averages; the maps may be smaller."""
    ycc = (maps @ YCC_FROM_RGB.T).permute(0, 3, 1, 2)
    luma, chroma = size // LUMA_SHRINK, size // CHROMA_SHRINK
    return F.adaptive_avg_pool2d(ycc[:, :1], luma)[:, 0], F.adaptive_avg_pool2d(ycc[:, 1:], chroma)


def _weights(weight: Float[Tensor, "H H"], size: int) -> tuple[Float[Tensor, " y"], Float[Tensor, " c"]]:
    """Weights of the stored luma and chroma values; a chroma cell stands for many luma cells."""
    luma, chroma = size // LUMA_SHRINK, size // CHROMA_SHRINK
    wy = F.adaptive_avg_pool2d(weight[None], luma).flatten()
    return wy, F.adaptive_avg_pool2d(weight[None], chroma).flatten().repeat(2) * (luma / chroma)


def face_weight(face: Face) -> Float[Tensor, "H H"]:
    """What a texel counts: 1 on the face and the eyes, SCALP_WEIGHT on scalp, neck and ears, 0 off the surface."""
    below = face.height(8) - face.layout.position[..., 1]
    off = np.maximum.reduce(
        [smoothstep(face.hairline, -10.0, 4.0), smoothstep(face.azimuth, 80.0, 90.0), smoothstep(below, 4.0, 22.0)]
    )
    weight = 1.0 - (1.0 - SCALP_WEIGHT) * off
    for _, eye in face.layout.eyes:
        weight[eye] = 1.0
    return torch.from_numpy(np.where(face.layout.covered, weight, 0.02)).float()


def mean_map(maps: ndarray, detail: ndarray) -> Float[Tensor, "S S 3"]:
    """Mean of the maps, with what is finer than their texels taken from the mean of a few larger ones."""
    coarse, fine = (torch.from_numpy(np.mean(m, axis=0, dtype=np.float64)).float() / 255.0 for m in (maps, detail))
    coarse, fine = coarse.permute(2, 0, 1)[None], fine.permute(2, 0, 1)[None]
    missing = coarse - F.adaptive_avg_pool2d(fine, coarse.shape[-1])
    mean = fine + F.interpolate(missing, size=fine.shape[2:], mode="bilinear", align_corners=False)
    return mean[0].permute(1, 2, 0).clamp(0.0, 1.0)


def build_pca(maps: ndarray, modes: int, weight: Float[Tensor, "H H"], detail: ndarray) -> TexturePca:
    """PCA of uint8 maps (N, h, h, 3), which may be a memory map, for a model of the size of `detail` (n, H, H, 3).

    Coefficients of the corpus have mean 0 and standard deviation 1 in every mode. GanfitError for more modes than maps.
    """
    count, size = len(maps), detail.shape[1]
    if modes >= count:
        raise GanfitError(f"{count} maps give at most {count - 1} modes, not {modes}; make a larger corpus.")
    luma, chroma = [], []
    for start in tqdm(range(0, count, CHUNK), desc="reduce"):
        y, c = reduce_maps(torch.from_numpy(np.array(maps[start : start + CHUNK])).float() / 255.0, size)
        luma.append(y.to(torch.float16))
        chroma.append(c)
    lumas, chromas = torch.cat(luma).flatten(1), torch.cat(chroma).flatten(1)
    blocks = torch.arange(lumas.shape[1]).split(8192)
    mean_luma = torch.cat([lumas[:, block].float().mean(dim=0) for block in blocks])
    chromas = chromas - chromas.mean(dim=0)
    wy, wc = _weights(weight, size)
    gram = chromas.mul(wc) @ chromas.mul(wc).T
    for block in blocks:
        part = (lumas[:, block].float() - mean_luma[block]) * wy[block]
        gram += part @ part.T
    values, vectors = torch.linalg.eigh(gram.double() / count)
    values, vectors = values.flip(0).clamp_min(0.0), vectors.flip(1)
    # A mode per standard deviation is the mean over the corpus of map times coefficient.
    mix = (vectors[:, :modes].T / count**0.5).float()
    modes_y = torch.cat([mix @ (lumas[:, block].float() - mean_luma[block]) for block in blocks], dim=1)
    modes_c = mix @ chromas
    sign = torch.where(modes_y.sum(dim=1) < 0, -1.0, 1.0)[:, None]  # more is lighter
    side_y, side_c = size // LUMA_SHRINK, size // CHROMA_SHRINK
    return TexturePca(
        mean_map(maps, detail),
        (sign * modes_y).view(modes, side_y, side_y),
        (sign * modes_c).view(modes, 2, side_c, side_c),
        float(values[:modes].sum() / values.sum()),
    )


def project(model: PcaTexture, image: Float[Tensor, "H H 3"], weight: Float[Tensor, "H H"]) -> Float[Tensor, " t"]:
    """Coefficients of the weighted least-squares approximation of a map."""
    size = model.mean.shape[0]
    y, c = reduce_maps((image - model.mean)[None], size)
    wy, wc = _weights(weight, size)
    basis = torch.cat([model.luma.flatten(1) * wy, model.chroma.flatten(1) * wc], dim=1)
    target = torch.cat([y.flatten() * wy, c.flatten() * wc])
    return torch.linalg.lstsq(basis @ basis.T, basis @ target).solution


def held_out_errors(model: PcaTexture, maps: ndarray, weight: Float[Tensor, "H H"]) -> tuple[float, float]:
    """Mean absolute error (display values, weighted) of maps' reconstructions, and of the mean in their place."""
    errors = torch.zeros(2)
    for image in maps:
        target = torch.from_numpy(np.array(image)).float() / 255.0
        for k, guess in enumerate((model(project(model, target, weight)), model.mean)):
            errors[k] += ((guess - target).abs().mean(dim=2) * weight).sum() / weight.sum() / len(maps)
    return float(errors[0]), float(errors[1])


def main(arguments: argparse.Namespace) -> None:
    """Runs the command; the `detail` maps are no part of the PCA, so they also test it."""
    for path in (arguments.corpus, arguments.detail):
        if not path.is_file():
            raise GanfitError(f"There is no corpus at {path}; make one with ganfit_nb.training.uv_corpus.")
    maps, detail = np.load(arguments.corpus, mmap_mode="r"), np.load(arguments.detail, mmap_mode="r")
    weight = face_weight(Face(UvLayout.of(MorphableModel.default(), detail.shape[1])))
    pca = build_pca(maps, arguments.modes, weight, detail)
    pca.save(arguments.out)
    error, spread = held_out_errors(PcaTexture.load(arguments.out), detail, weight)
    print(f"{arguments.modes} modes of {len(maps)} maps keep {100 * pca.kept:.2f} % of the weighted variance")
    print(f"mean absolute error on {len(detail)} held-out maps {error:.4f}, of the mean map {spread:.4f}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--corpus", type=Path, required=True, help="maps.npy of ganfit_nb.training.uv_corpus")
    parser.add_argument("--detail", type=Path, required=True, help="maps.npy of a few other people at full size")
    parser.add_argument("--modes", type=int, default=195)
    parser.add_argument("--out", type=Path, required=True, help="the safetensors file to write")


if __name__ == "__main__":
    command = argparse.ArgumentParser(description="Build the PCA texture model of a UV corpus.")
    add_arguments(command)
    main(command.parse_args())
