"""Compares a UV map with a target: values, gradients, and the high frequencies that are kept."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.blur import high_pass

LUMA = torch.tensor([0.299, 0.587, 0.114])  # ITU-R BT.601


@dataclass(frozen=True)
class TextureErrors:
    """The errors of a map against its target, in display values. All means are weighted by the texels' weights.

    value     mean absolute error
    gradient  mean absolute error of the differences between neighbouring texels
    kept      energy of the map's high frequencies, divided by that of the target's; 1 means equally sharp
    placed    1 − ‖a − b‖² / ‖b‖² for the high frequencies a of the map and b of the target. It is 1 when all detail
              is in its place, 0 for a blurred map, and negative when detail in a wrong place is worse than blur.
    """

    value: float
    gradient: float
    kept: float
    placed: float


def high_frequencies(picture: Float[Tensor, "H W 3"]) -> Float[Tensor, "H W"]:
    """The part of the luma that is lost when the resolution is halved."""
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
