"""What each part of the texture GAN's training buys: small GANs, each trained from scratch without one part.

    python benchmarks/texture_gan_ablation.py --corpus DIR [--images 2400] [--latent 64] [--width 2048] [--seeds 1]

DIR is what `ganfit train corpus` wrote, at any resolution of at least 128 (UvCorpus.build(128) makes small maps soon).
All variants see the same images of the same seed. For each it prints

* high frequencies kept and in place, of maps drawn from their own latents (benchmarks/texture_prior.py);
* the error of the amounts of detail, of the same maps (L_det), and of random latents pushed out of the corpus (L_exp);
* the sliced Wasserstein distance of random samples to maps, at the finest side and the next.

The defaults take some minutes a variant on one core, and are a toy: three hundred steps, of a corpus at 128². Only the
variants of one run can be compared.
"""

from __future__ import annotations

import argparse
from dataclasses import astuple, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.face.texture_errors import texture_errors
from ganfit_nb.networks.marginals import Marginals
from ganfit_nb.networks.progressive_generator import COARSE
from ganfit_nb.training.skin.canvas import Face
from ganfit_nb.training.skin.map_file import MAPS, open_maps
from ganfit_nb.training.skin.uv_layout import UvLayout
from ganfit_nb.training.texture_gan.detail_amounts import detail_loss
from ganfit_nb.training.texture_gan.gan_config import GanConfig
from ganfit_nb.training.texture_gan.progressive_gan import GanTraining
from ganfit_nb.training.texture_gan.sliced_wasserstein import sliced_wasserstein
from ganfit_nb.training.texture_gan.training_maps import TrainingMaps

JUDGED = 64  # maps and samples that figures are taken of
WITHOUT = {
    "L_adv": {"adversarial_weight": 0.0},
    "L_rec": {"reconstruction_weight": 0.0},
    "L_det": {"detail_weight": 0.0},
    "L_exp": {"expected_weight": 0.0},
    "L_place": {"placement_weight": 0.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--images", type=int, default=2400, help="images shown to each GAN")
    parser.add_argument("--latent", type=int, default=64)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    size = int(open_maps(options.corpus / MAPS).shape[1])
    face = Face(UvLayout.of(MorphableModel.default(), size))
    maps = TrainingMaps.of(options.corpus / MAPS, options.latent, face)
    sides = [COARSE * 2**k for k in range((size // COARSE).bit_length())]
    shares = {side: 1.0 if side == COARSE else 3.0 if side < size else 9.0 for side in sides}
    steps = {side: max(2, int(options.images / 8 * share / sum(shares.values()))) for side, share in shares.items()}
    schedule = {side: 8 * count for side, count in steps.items()}
    sizes = {"latent": options.latent, "width": options.width}
    config = GanConfig(schedule, **sizes, ema_decay=0.99, device=options.device)
    print(f"{config.schedule} images; kept %, in place %, L_det, L_exp of pushed latents, distance at {size}² and half")
    for seed in range(options.seeds):
        seeded = replace(config, seed=seed)
        untrained = GanTraining(maps, seeded)
        report("before training", untrained, maps)
        train("all parts", GanTraining(maps, seeded), maps)
        for name, change in WITHOUT.items():
            train(f"without {name}", GanTraining(maps, replace(seeded, **change)), maps)
        train("without placed detail", without_placed_detail(GanTraining(maps, seeded)), maps)
        gaussian = replace(maps, marginals=Marginals(config.latent), latents=maps.codes)
        train("without marginals", GanTraining(gaussian, seeded), gaussian)
        train("without tint bounds", without_tint_bounds(GanTraining(maps, seeded)), maps)


@torch.no_grad()
def without_placed_detail(training: GanTraining) -> GanTraining:
    for generator in (training.generator, training.generator_ema):
        for level in generator.pictures.values():
            level.placed.zero_()
    return training


@torch.no_grad()
def without_tint_bounds(training: GanTraining) -> GanTraining:
    for generator in (training.generator, training.generator_ema):
        generator.tints.copy_(torch.tensor([-1e4, 1e4]).view(2, 1, 1, 1).expand_as(generator.tints))
    return training


def train(name: str, training: GanTraining, maps: TrainingMaps) -> None:
    clock = perf_counter()
    for _ in training.steps():
        pass
    report(name, training, maps, f"  {perf_counter() - clock:.0f} s")


@torch.no_grad()
def report(name: str, training: GanTraining, maps: TrainingMaps, note: str = "") -> None:
    generator, size = training.generator_ema.cpu(), training.config.resolution
    index, random = torch.arange(JUDGED), torch.Generator().manual_seed(1)
    target, weight = maps.images(index, size), maps.weight
    drawn = torch.cat([generator(z) for z in maps.latents[index].split(8)]).clamp(0.0, 1.0)
    pairs = zip(drawn, target, strict=True)
    errors = np.mean([astuple(texture_errors(a, b, weight[..., 0])) for a, b in pairs], axis=0)
    noise = torch.randn(JUDGED, training.config.latent, generator=random)
    pushed = maps.expected_detail.pushed(noise, random)
    far = torch.cat([generator(z) for z in pushed.split(8)]).clamp(0.0, 1.0)
    sampled = torch.cat([generator(z) for z in noise.split(8)]).clamp(0.0, 1.0)
    distance = sliced_wasserstein(sampled, target)
    print(
        f"  {name:22} {100 * errors[2]:5.1f} {100 * errors[3]:6.1f}  {float(detail_loss(drawn, target, weight)):.3f}"
        f"  {float(maps.expected_detail.loss(far, pushed, weight)):.3f}"
        f"  {distance[size]:5.1f} {distance[size // 2]:5.1f}{note}",
        flush=True,
    )


if __name__ == "__main__":
    main()
