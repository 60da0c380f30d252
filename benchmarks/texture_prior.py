"""The texture prior, beside a linear model of the same corpus with as many coefficients.

    python benchmarks/texture_prior.py --corpus DIR --held-out DIR [--out DIR] [--size 512] [--maps 40] [--samples 1000]

prints how well both reconstruct UV maps they never saw, how many random latents are coherent, how far samples are from
the corpus, and what a map costs; --out gets the pictures. DIR is what `ganfit train corpus` wrote. The linear model
comes twice: as shipped, and at full resolution without the asset's compression (10 GB of memory; --no-full leaves it
out). Everything is read at one resolution, --size: a fit of 256 pixels reads 256 texels. Reconstructions are judged on
the whole map, on the eyes and on the skin, for two thirds of all high-frequency energy lies in the outlines of iris and
pupil.
"""

from __future__ import annotations

import argparse
import statistics
from collections import Counter
from dataclasses import astuple
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
import torch.nn.functional as F

from ganfit_nb import FaceModel
from ganfit_nb.assets import asset_path
from ganfit_nb.face.gan_texture import GanTexture
from ganfit_nb.face.latents import invert
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.face.texture import PcaTexture, TextureModel
from ganfit_nb.face.texture_errors import TextureErrors, texture_errors
from ganfit_nb.results.export import to_pil
from ganfit_nb.training.skin.canvas import Face
from ganfit_nb.training.skin.map_file import MAPS, open_maps
from ganfit_nb.training.skin.pca_texture import build_pca, face_weight, project
from ganfit_nb.training.skin.uv_corpus import image_grid
from ganfit_nb.training.skin.uv_layout import UvLayout
from ganfit_nb.training.texture_gan.coherence import Coherence, map_figures
from ganfit_nb.training.texture_gan.sliced_wasserstein import sliced_wasserstein

SEED = 0
SHEET = 64  # samples on the contact sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--gan", type=Path, default=asset_path("texture_gan.safetensors"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--size", type=int, default=512, help="texels a side of the maps that are compared")
    parser.add_argument("--maps", type=int, default=40, help="held-out maps to invert, 0 for none")
    parser.add_argument("--steps", type=int, default=200, help="steps of an inversion")
    parser.add_argument("--samples", type=int, default=1000, help="random latents to judge, 0 for none")
    parser.add_argument("--no-full", dest="full", action="store_false")
    options = parser.parse_args()
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    corpus, held_out = open_maps(options.corpus / MAPS), open_maps(options.held_out / MAPS)
    gan = GanTexture.load(options.gan).at(options.size)
    layout = UvLayout.of(MorphableModel.default(), gan.resolution)
    weight = face_weight(Face(layout))
    eyes = torch.from_numpy(np.any([eye for _, eye in layout.eyes], axis=0))
    print_cost(gan, options.gan)
    if options.samples:
        print_samples(gan, corpus, held_out, weight, options)
    if options.maps:
        linear = linear_models(corpus, held_out, weight, options.full)
        models = {name: model.at(gan.resolution) for name, model in linear.items()} | {"GAN": gan}
        print_inversions(models, held_out, weight, eyes, options)


def linear_models(corpus: np.ndarray, held_out: np.ndarray, weight: torch.Tensor, full: bool) -> dict[str, PcaTexture]:
    """The shipped PCA, and one of the same corpus at full resolution."""
    models = {"PCA shipped": PcaTexture.default()}
    if full:
        sides = held_out.shape[1], held_out.shape[1] // 4
        pca = build_pca(corpus, models["PCA shipped"].dim, weight, held_out[:100], sides)
        models["PCA full"] = PcaTexture(pca.mean, pca.luma, pca.chroma)
    return models


def print_cost(gan: GanTexture, path: Path) -> None:
    """Forward and backward to z, parameters, file."""
    z = torch.randn(gan.dim, requires_grad=True)
    times = []
    for _ in range(20):
        start = perf_counter()
        gan(z).square().mean().backward()
        times.append(perf_counter() - start)
    count = sum(value.numel() for value in gan.generator.state_dict().values())
    print(
        f"forward + backward to z at {gan.resolution}²: {1e3 * statistics.median(times):.0f} ms on "
        f"{torch.get_num_threads()} threads; {count / 1e6:.1f} M parameters; {path.stat().st_size / 1e6:.1f} MB\n"
    )


@torch.no_grad()
def print_samples(
    gan: GanTexture, corpus: np.ndarray, held_out: np.ndarray, weight: torch.Tensor, options: argparse.Namespace
) -> None:
    """Coherence of random latents, and sliced Wasserstein distances with the corpus' own as the floor."""
    random = torch.Generator().manual_seed(SEED)
    model, real = FaceModel(MorphableModel.default(), gan), to_float(held_out, gan.resolution)
    limits = Coherence.of([map_figures(model, picture, weight) for picture in real])
    faults: Counter[str] = Counter()
    drawn, coherent = [], 0
    for k in range(options.samples):
        picture = gan(torch.randn(gan.dim, generator=random))
        found = limits.faults(map_figures(model, picture, weight))
        faults.update(found)
        coherent += not found
        if found and options.out and len(faults) < 40:
            to_pil(picture).save(options.out / f"incoherent_{k}_{'_'.join(found)}.png")
        if len(drawn) < len(real):
            drawn.append(picture)
    print(f"{coherent} of {options.samples} random latents are coherent; faults {dict(faults)}")
    if options.out:
        image_grid(list(to_bytes(drawn[:SHEET])), 8, 256).save(options.out / "samples.png")
    pictures = torch.stack(drawn)
    learnt = to_float(corpus[: len(pictures)], gan.resolution)
    ours, floor = sliced_wasserstein(pictures, learnt), sliced_wasserstein(real[: len(pictures)], learnt)
    print(f"sliced Wasserstein distance to the corpus, {len(pictures)} maps each")
    print("  side      " + "".join(f"{side:8d}" for side in ours))
    print("  GAN       " + "".join(f"{value:8.1f}" for value in ours.values()))
    print("  held out  " + "".join(f"{value:8.1f}" for value in floor.values()) + "\n")


def print_inversions(
    models: dict[str, TextureModel],
    maps: np.ndarray,
    weight: torch.Tensor,
    eyes: torch.Tensor,
    options: argparse.Namespace,
) -> None:
    """min |G(p_t) − I_uv| on the last maps, from which no model was made."""
    maps = maps[-options.maps :]
    regions = {"whole map": weight, "eyes": weight * eyes, "skin": weight * ~eyes}
    errors: dict[str, dict[str, list[TextureErrors]]] = {region: {} for region in regions}
    for k, target in enumerate(to_float(maps, len(weight))):
        row = [target]
        for name, model in models.items():
            with torch.no_grad():  # a linear model starts from its least-squares solution, the GAN from the mean
                start = project(model, target, weight) if isinstance(model, PcaTexture) else None
            *_, last = invert(target, model, options.steps, weight=weight, start=start)
            row.append(model(last.p_t).detach())
            for region, share in regions.items():
                errors[region].setdefault(name, []).append(texture_errors(row[-1], target, share))
        if options.out:
            image_grid(list(to_bytes(row)), len(row), len(target)).save(options.out / f"inverted_{k:02d}.png")
    side = f"{len(weight)}²"
    print(f"{len(maps)} maps of {side}, {options.steps} steps        L1   gradient   high frequencies kept   placed")
    for region, of_models in errors.items():
        for name, rows in of_models.items():
            value, gradient, kept, placed = np.mean([astuple(row) for row in rows], axis=0)
            label = f"{region}, {name}"
            print(f"  {label:26s}    {value:.4f}   {gradient:.4f}   {100 * kept:14.1f} % {100 * placed:14.1f} %")


def to_float(maps: np.ndarray, side: int) -> torch.Tensor:
    """Maps in display values, averaged over the texels that become one."""
    pictures = torch.from_numpy(np.array(maps)).permute(0, 3, 1, 2).float() / 255.0
    return F.interpolate(pictures, (side, side), mode="area").permute(0, 2, 3, 1)


def to_bytes(pictures: list[torch.Tensor]) -> np.ndarray:
    return (255.0 * torch.stack(pictures) + 0.5).clamp(0.0, 255.0).byte().numpy()


if __name__ == "__main__":
    main()
