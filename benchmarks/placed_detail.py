"""The share of detail that codes place in maps that were not seen: in closed form, and by the shipped texture GAN.

    python benchmarks/placed_detail.py --corpus DIR [--maps 250]

For the octaves of 128², 256² and 512² it prints the squared cosine between the detail of maps and the detail drawn
from their codes: the share of its energy that lies in its place. Eyes and all other skin are measured apart.
"regression" is the whole linear regression on the codes, "placed" its factors, with which a new generator begins, and
"GAN" the shipped generator. It takes ten minutes and 3 GB of memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.face.gan_texture import GanTexture
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.networks.equalized import finest_octave
from ganfit_nb.networks.progressive_generator import COARSE, Generator, ToRGB, hat_functions
from ganfit_nb.training.skin.canvas import Face
from ganfit_nb.training.skin.uv_layout import UvLayout
from ganfit_nb.training.texture_gan.placed_detail import factored, octave_regression
from ganfit_nb.training.texture_gan.training_maps import TrainingMaps

SIZE = 512
LATENT = 512
CHUNK = 10  # maps a time
Draw = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--maps", type=int, default=250, help="the last ones of the corpus, kept from the regression")
    options = parser.parse_args()
    maps = TrainingMaps.of(options.corpus / "maps.npy", LATENT, Face(UvLayout.of(MorphableModel.default(), SIZE)))
    seen = len(maps) // 2 - options.maps
    codes = torch.cat([part[:seen] for part in maps.codes.split(len(maps) // 2)])
    shipped, planned = GanTexture.default().generator, Generator(SIZE, LATENT)
    print(f"{seen} maps seen, {options.maps} not; share of the detail's energy in its place, eyes and skin")
    for side in (2 * COARSE, 4 * COARSE, 8 * COARSE):
        regression = octave_regression(maps.levels[side][:seen], codes)
        count = cast(ToRGB, planned.pictures[str(side)]).placed.shape[2]
        placed, gates = factored(regression, count)
        ways: dict[str, Draw] = {
            "regression": partial(of_regression, regression),
            f"placed ({count} maps)": partial(of_placed, placed, gates),
            "GAN": partial(of_gan, shipped, side),
        }
        for name, draw in ways.items():
            eyes, skin = shares(maps, side, seen, draw)
            print(f"{side:4}²  {name:16} {100 * eyes:5.1f} % {100 * skin:5.1f} %", flush=True)


def of_regression(regression: Float[Tensor, "L S S"], codes: Float[Tensor, "n L"], _: Tensor) -> Float[Tensor, "n S S"]:
    return torch.einsum("nl,lrc->nrc", codes, regression)


def of_placed(
    placed: Float[Tensor, "S S K"], gates: Float[Tensor, "L g g K"], codes: Float[Tensor, "n L"], _: Tensor
) -> Float[Tensor, "n S S"]:
    nodes, share = torch.einsum("nl,lpqk->npqk", codes, gates), hat_functions(len(placed))
    return (torch.einsum("npqk,pr,qc->nrck", nodes, share, share) * placed).sum(dim=3)


def of_gan(generator: Generator, side: int, _: Tensor, z: Float[Tensor, "n latent"]) -> Float[Tensor, "n S S"]:
    return finest(generator(z, side))


@torch.no_grad()
def shares(maps: TrainingMaps, side: int, start: int, draw: Draw) -> tuple[float, float]:
    """The squared cosine over maps `start` … of the corpus, within the eyes and elsewhere on the face."""
    eyes, weight = (maps.reduced(whole, side, None)[..., 0] for whole in (maps.eyes, maps.weight))
    regions = torch.stack([weight * eyes, weight * (1.0 - eyes)])
    sums = torch.zeros(3, 2)
    for index in torch.arange(start, len(maps) // 2).split(CHUNK):
        theirs = finest(maps.images(index, side))
        ours = draw(F.pad(maps.codes[index], (1, 0), value=1.0), maps.latents[index])
        products = torch.stack([ours * theirs, ours.square(), theirs.square()])
        sums += torch.einsum("pnrc,grc->pg", products, regions)
    eyes_share, skin_share = (sums[0].square() / (sums[1] * sums[2]).clamp_min(1e-20)).tolist()
    return eyes_share, skin_share


def finest(maps: Float[Tensor, "N S S 3"]) -> Float[Tensor, "N S S"]:
    """The finest octave, in the mean over colours."""
    return finest_octave(maps).mean(dim=3)


if __name__ == "__main__":
    main()
