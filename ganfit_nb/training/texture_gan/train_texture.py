"""`ganfit train texture`: trains the texture GAN on a corpus, in as many sittings as it takes.

It writes to --out: checkpoint.pt, from which the next sitting continues; texture_gan.safetensors, the generator's
moving average (EMA), which fits use; sheet.png, the same sixteen random people at every report; and metrics.jsonl.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from ganfit_nb.face.gan_texture import GanTexture
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.files.outputs import claim_file, never, save_png, writable_directory
from ganfit_nb.training.skin.canvas import Face
from ganfit_nb.training.skin.map_file import MAPS, open_maps
from ganfit_nb.training.skin.uv_corpus import image_grid
from ganfit_nb.training.skin.uv_layout import UvLayout
from ganfit_nb.training.texture_gan.gan_config import GanConfig
from ganfit_nb.training.texture_gan.progressive_gan import GanStep, GanTraining
from ganfit_nb.training.texture_gan.sliced_wasserstein import sliced_wasserstein
from ganfit_nb.training.texture_gan.training_maps import TrainingMaps

REPORT_INTERVAL = 4000  # images shown from one checkpoint, sheet and line of metrics to the next
SAMPLES = 64  # images that the sliced Wasserstein distance is taken of
CHECKPOINT, GENERATOR, SHEET, METRICS = "checkpoint.pt", "texture_gan.safetensors", "sheet.png", "metrics.jsonl"


def train_texture(corpus: Path, out: Path, config: GanConfig, minutes: float | None = None) -> Iterator[GanStep]:
    """Trains until the schedule or the time is over, from the last checkpoint in `out` if there is one."""
    checkpoint = out / CHECKPOINT
    if not checkpoint.is_file():  # then no file in `out` is ours
        for name in (CHECKPOINT, GENERATOR, SHEET, METRICS):
            claim_file(out / name, never)
    size = int(open_maps(corpus).shape[1])
    maps = TrainingMaps.of(corpus, config.latent, Face(UvLayout.of(MorphableModel.default(), size)))
    writable_directory(out)
    training = GanTraining.resume(checkpoint, maps, config) if checkpoint.is_file() else GanTraining(maps, config)
    end = monotonic() + 60.0 * minutes if minutes is not None else float("inf")
    totals: dict[str, list[float]] = {}
    reported = training.images
    for step in training.steps():
        yield step
        for name, value in step.losses.items():
            totals.setdefault(name, []).append(value)
        over = monotonic() > end or step.images >= training.config.total_images
        if over or step.images - reported >= REPORT_INTERVAL:
            reported = step.images
            means = {name: float(np.mean(values)) for name, values in totals.items()}
            report(training, step, means, out)
            totals = {}
        if over:
            return


@torch.no_grad()
def report(training: GanTraining, step: GanStep, losses: dict[str, float], out: Path) -> None:
    """Writes the checkpoint, the generator, the sheet and a line of metrics."""
    training.save(out / CHECKPOINT)
    GanTexture(training.generator_ema).save(out / GENERATOR)
    random = torch.Generator().manual_seed(0)
    z = torch.randn(SAMPLES, training.config.latent, generator=random)
    drawn = samples(training, z, step)
    save_png(image_grid(list((255.0 * drawn[:16] + 0.5).byte().numpy()), 4, 256), out / SHEET)
    real = training.maps.images(torch.arange(SAMPLES), step.resolution)
    line = {"images": step.images, "resolution": step.resolution, **losses, "swd": sliced_wasserstein(drawn, real)}
    with (out / METRICS).open("a") as file:
        file.write(json.dumps(line) + "\n")


def samples(training: GanTraining, z: Float[Tensor, "N latent"], step: GanStep) -> Float[Tensor, "N H W 3"]:
    """Images of these latents by the generator's moving average, at the present stage, in display values."""
    images = [
        training.generator_ema(part.to(training.config.device), step.resolution, step.alpha).cpu()
        for part in z.split(4)
    ]
    return torch.cat(images).float().clamp(0.0, 1.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="what `ganfit train corpus` wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for checkpoint and generator")
    parser.add_argument("--minutes", type=float, help="stop after so long; the same command continues (default: never)")
    parser.add_argument("--effort", type=float, default=1.0, help="images shown, times the default schedule")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to compute")
    parser.add_argument("--seed", type=int, default=0)


def main(options: argparse.Namespace) -> None:
    """Runs the command behind a progress bar."""
    config = GanConfig(seed=options.seed, device=options.device).scaled(options.effort)
    corpus = options.corpus / MAPS
    steps = train_texture(corpus, options.out, config, options.minutes)
    first = next(steps, None)  # a missing corpus is told before there is a bar
    with tqdm(total=config.total_images, unit="image", initial=first.images if first else config.total_images) as bar:
        for step in steps:
            bar.set_description(f"texture GAN {step.resolution}²", refresh=False)
            bar.set_postfix_str(" ".join(f"{k} {v:.3g}" for k, v in step.losses.items()), refresh=False)
            bar.update(step.images - bar.n)
    print(options.out / GENERATOR)
