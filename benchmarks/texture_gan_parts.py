"""What each closed-form part of the shipped texture GAN does: the generator as it is, and with one part switched off.

    python benchmarks/texture_gan_parts.py --held-out DIR [--samples 100]

DIR is what `ganfit train corpus --first 10000` wrote: people who were not trained on. The maps must have the islands of
eyes and mouth that the training corpus had; those of the shipped file are drawn by commit a4132f3. Nothing is trained
anew: a generator that never had the part could have learnt some of its work. Three tables are printed.

* samples: how many random latents are coherent, and their sliced Wasserstein distance to half of the maps; the other
  half gives the floor;
* maps from their codes: how well the maps are drawn from their principal components, which 64² texels give by least
  squares, on the face and on its skin without the eyes;
* tints: how many texels of the face the bounds change, by the length of the latent (a fit reaches 36), and by how much.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float

from ganfit_nb import FaceModel
from ganfit_nb.face.gan_texture import GanTexture
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.face.texture_errors import texture_errors
from ganfit_nb.networks.marginals import KNOTS
from ganfit_nb.networks.progressive_generator import COARSE, Generator
from ganfit_nb.training.skin.canvas import Face
from ganfit_nb.training.skin.map_file import MAPS, open_maps
from ganfit_nb.training.skin.pca_texture import face_weight
from ganfit_nb.training.skin.uv_layout import UvLayout
from ganfit_nb.training.texture_gan.coherence import Coherence, map_figures
from ganfit_nb.training.texture_gan.sliced_wasserstein import sliced_wasserstein

SIZE = 512
LENGTHS = 22.6, 29.0, 36.0  # of a random latent, √512, and on to a fit's
FAR = 8  # latents of each length
VISIBLE = 2.0 / 255.0  # change of a display value that counts


def gaussian_codes(generator: Generator) -> None:
    generator.marginals.values.copy_(KNOTS.expand_as(generator.marginals.values))  # codes are whitened


def no_placed_detail(generator: Generator) -> None:
    for level in generator.pictures.values():
        level.placed.zero_()


def no_learnt_detail(generator: Generator) -> None:
    for level in generator.pictures.values():
        level.detail.zero_()


def no_tint_bounds(generator: Generator) -> None:
    generator.tints.copy_(torch.tensor([-1e4, 1e4]).view(2, 1, 1, 1).expand_as(generator.tints))


PARTS: dict[str, Callable[[Generator], None]] = {
    "as shipped": lambda _: None,
    "Gaussian codes": gaussian_codes,
    "no placed detail": no_placed_detail,
    "no learnt detail": no_learnt_detail,
    "no tint bounds": no_tint_bounds,
}


@torch.no_grad()
def shipped_without(switch_off: Callable[[Generator], None]) -> Generator:
    generator = GanTexture.default().generator
    switch_off(generator)
    return generator


def draw(generator: Generator, z: Float[torch.Tensor, " latent"]) -> Float[torch.Tensor, "H W 3"]:
    """An albedo map as it was trained, without the mouth that `GanTexture` paints."""
    return generator(z[None])[0].clamp(0.0, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=100, help="random latents to judge, 0 for none")
    options = parser.parse_args()
    layout = UvLayout.of(MorphableModel.default(), SIZE)
    weight = face_weight(Face(layout))
    skin = weight * ~torch.from_numpy(np.any([eye for _, eye in layout.eyes], axis=0))
    maps = torch.from_numpy(np.array(open_maps(options.held_out / MAPS))).float() / 255.0
    models = {name: shipped_without(switch_off) for name, switch_off in PARTS.items()}
    if options.samples:
        print_samples(models, maps, weight, options.samples)
    print_reconstructions(models, maps, {"face": weight, "skin": skin})
    print_tints(models["as shipped"], models["no tint bounds"], weight)


@torch.no_grad()
def print_samples(models: dict[str, Generator], maps: torch.Tensor, weight: torch.Tensor, count: int) -> None:
    face = FaceModel(MorphableModel.default(), GanTexture.default())
    limits = Coherence.of([map_figures(face, one, weight) for one in maps])
    reference, others = maps.chunk(2)
    print(f"{count} samples: how many are coherent; distance of {len(others)} to as many held-out maps, by side")
    print(f"  {'held-out maps':18}{'':15} {distances(others, reference[: len(others)])}")
    for name, generator in models.items():
        random, faults = torch.Generator().manual_seed(0), Counter[str]()
        samples = [
            draw(generator, torch.randn(generator.latent, generator=random)) for _ in range(max(count, len(others)))
        ]
        found = [limits.faults(map_figures(face, image, weight)) for image in samples[:count]]
        faults.update(fault for one in found for fault in one)
        row = distances(torch.stack(samples[: len(others)]), reference[: len(others)])
        print(f"  {name:18}{sum(not one for one in found):5} coherent {row}   faults {dict(faults)}", flush=True)


def distances(a: torch.Tensor, b: torch.Tensor) -> str:
    return "".join(f"  {side}² {value:.0f}" for side, value in sliced_wasserstein(a, b).items())


@torch.no_grad()
def print_reconstructions(models: dict[str, Generator], maps: torch.Tensor, regions: dict[str, torch.Tensor]) -> None:
    codes = codes_of(models["as shipped"], maps, regions["face"])
    print(f"\n{len(maps)} maps from their codes              L1   gradient   high frequencies kept   in place")
    for name, generator in models.items():
        z = generator.marginals.inverse(codes)  # the same codes, whatever their distribution
        errors: dict[str, list[tuple[float, ...]]] = {region: [] for region in regions}
        for target, one in zip(maps, z, strict=True):
            drawn = draw(generator, one)
            for region, weight in regions.items():
                errors[region].append(astuple(texture_errors(drawn, target, weight)))
        for region, rows in errors.items():
            value, gradient, kept, placed = np.mean(rows, axis=0)
            label = f"{region}, {name}"
            print(f"  {label:26} {value:.4f}   {gradient:.4f} {100 * kept:14.1f} % {100 * placed:14.1f} %", flush=True)


def codes_of(
    generator: Generator, maps: Float[torch.Tensor, "N H W 3"], weight: Float[torch.Tensor, "H W"]
) -> Float[torch.Tensor, "N latent"]:
    """The codes whose linear images are nearest to the maps."""
    share = reduced(weight[None, ..., None])[0].sqrt()
    mean = generator.linear(torch.zeros(1, generator.latent))
    modes = (generator.linear(torch.eye(generator.latent)) - mean) * share
    targets = (reduced(maps) - mean) * share
    gram = modes.flatten(1) @ modes.flatten(1).T
    ridge = 1e-4 * gram.diagonal().mean() * torch.eye(len(gram))
    return torch.linalg.solve(gram + ridge, modes.flatten(1) @ targets.flatten(1).T).T


def reduced(maps: Float[torch.Tensor, "N H W C"]) -> Float[torch.Tensor, "N h w C"]:
    return F.adaptive_avg_pool2d(maps.permute(0, 3, 1, 2), COARSE).permute(0, 2, 3, 1)


@torch.no_grad()
def print_tints(bound: Generator, free: Generator, weight: torch.Tensor) -> None:
    print(f"\ntint bounds: share of the face changed by {255 * VISIBLE:.0f}/255 and more; mean change where it is")
    face = weight > 0.5 * weight.max()
    for length in LENGTHS:
        random, changes = torch.Generator().manual_seed(0), []
        for _ in range(FAR):
            z = torch.randn(bound.latent, generator=random)
            z = length * z / z.norm()
            changes.append((draw(bound, z) - draw(free, z)).abs().amax(dim=2)[face])
        change = torch.cat(changes)
        seen = change[change >= VISIBLE]
        print(f"  |z| {length:4.1f}  {100 * len(seen) / len(change):6.2f} %   {255 * float(seen.mean()):5.1f}/255")


if __name__ == "__main__":
    main()
