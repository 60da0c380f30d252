"""What may be chosen before a fit."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ganfit_nb.errors import GanfitError
from ganfit_nb.values import whole

DEVICES = ("cpu", "cuda")
MAXIMUM_STEPS = 1_000_000
SIZES = 32, 2048  # px; a rendering of 2048 needs about 2 GB


@dataclass(frozen=True)
class FitConfig:
    """What may be chosen before a fit.

    steps        updates of the joint stage
    size         side of the photo and the renderings, pixels; the first steps are coarser (`coarse_to_fine.py`)
    seed         of the second views (Eq. 7)
    informed_prior  the recogniser's embedding says what shape to expect; without it N(0, I), as in the paper
    consistency  several photos have to show the same skin (`consistency.py`); the paper's way is without it
    occlusion    hair, and what else hides the skin, counts for nothing (`skin_seen.py`); the paper's way is without it
    image_every  keep the rendering in every k-th step; 0 keeps none (render any step later from its parameters)
    device       where the joint stage computes, "cpu" or "cuda"; steps always lie on the CPU
    """

    steps: int = 100
    size: int = 256
    seed: int = 0
    informed_prior: bool = True
    consistency: bool = True
    occlusion: bool = True
    image_every: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        whole("steps", self.steps, 0, MAXIMUM_STEPS)
        whole("size", self.size, *SIZES)
        whole("seed", self.seed, 0, 2**32 - 1)  # products of it are torch's seeds, which have 64 bits
        whole("image_every", self.image_every, 0, MAXIMUM_STEPS)
        if self.device not in DEVICES:
            raise GanfitError(f"The device must be one of {', '.join(DEVICES)}, not {self.device}.")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise GanfitError("This machine or this build of torch has no CUDA; leave the device at cpu.")
