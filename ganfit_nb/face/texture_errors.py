"""How well one UV map stands for another: values, gradients, and what is left of the high frequencies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.blur import high_pass

LUMA = torch.tensor([0.299, 0.587, 0.114])  # ITU-R BT.601


@dataclass(frozen=True)
class TextureErrors:
    """Weighted by what each texel counts, in display values.

    value     mean absolute error
    gradient  mean absolute error of the differences between neighbouring texels
    kept      energy of the high frequencies over that of the target's: 1 is as sharp
    placed    share of the target's high-frequency energy that lies where the target has it, 1 − ‖a − b‖² / ‖b‖²;
              negative when sharpness in the wrong place does more harm than blur
    """

    value: float
    gradient: float
    kept: float
    placed: float


def high_frequencies(picture: Float[Tensor, "H W 3"]) -> Float[Tensor, "H W"]:
    """Luma that half the resolution cannot hold."""
    return high_pass((picture @ LUMA)[None, None])[0, 0]


def texture_errors(
    picture: Float[Tensor, "H W 3"], target: Float[Tensor, "H W 3"], weight: Float[Tensor, "H W"]
) -> TextureErrors:
    """Compares a map with its target."""
    error = picture - target
    share = weight / weight.sum()
    right, below = (error.diff(dim=dim).abs().mean(dim=2) for dim in (1, 0))
    ours, theirs = high_frequencies(picture), high_frequencies(target)
    energy = (share * theirs.square()).sum()
    return TextureErrors(
        value=float((share * error.abs().mean(dim=2)).sum()),
        gradient=float((share[:, 1:] * right).sum() + (share[1:] * below).sum()) / 2.0,
        kept=float((share * ours.square()).sum() / energy),
        placed=float(1.0 - (share * (ours - theirs).square()).sum() / energy),
    )
