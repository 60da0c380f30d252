"""Where light is left that no smooth light explains: cast shadows and highlights.

Both are found in ρ = log(A / A₀), what an albedo without its smooth light (`delight.py`) still has beside the expected
one, averaged over a few millimetres.

* A cast shadow lies on one half of the face, a beard on both. So where ρ differs from its own mirror image, the half
  that is farther from the expected albedo is the one that is lit otherwise.
* A highlight adds the lamp's colour to the skin's, so it raises blue more than red: ρ_c ≈ m + s / A₀_c for channel c.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.blur import gaussian_blur
from ganfit_nb.own_skin.visibility import smoothstep

COARSE = 128  # texels, side of the maps in which light is compared: 2.7 mm each
BLUR = 1.0  # of those texels
ODD = 0.15, 0.35  # difference of ρ from its mirror image: a shadow from the first on, surely from the second
FARTHER = 0.0, 0.1  # by how much more the lit half agrees with the expected albedo
SHINE = 0.05, 0.12  # s, display values that a highlight adds
DARKEST = 0.05  # display value; a darker channel would make any noise a highlight


def without_left_light(
    rho: Float[Tensor, "S S 3"], expected: Float[Tensor, "S S 3"], weight: Float[Tensor, "S S"]
) -> Float[Tensor, "S S"]:
    """The weight where ρ shows neither a cast shadow nor a highlight. Sides of at least COARSE, in multiples of it."""
    scale = len(weight) // COARSE
    known = _smooth(weight[..., None], scale)[0]
    rho = _smooth(rho * weight[..., None], scale) / known.clamp(min=1e-3)
    tone = rho.mean(0)
    shine = smoothstep(_added(rho, F.avg_pool2d(expected.permute(2, 0, 1)[None], scale)[0]), *SHINE) * (tone > 0)
    keep = (1 - _shadow(tone, known)) * (1 - shine)
    return weight * F.interpolate(keep[None, None], weight.shape, mode="bilinear", align_corners=False)[0, 0]


def _shadow(tone: Float[Tensor, "s s"], known: Float[Tensor, "s s"]) -> Float[Tensor, "s s"]:
    other, both = tone.flip(1), torch.minimum(known, known.flip(1))
    odd = smoothstep((tone - other).abs(), *ODD) * smoothstep(tone.abs() - other.abs(), *FARTHER)
    return odd * smoothstep(both, 0.1, 0.5)


def _added(rho: Float[Tensor, "3 s s"], expected: Float[Tensor, "3 s s"]) -> Float[Tensor, "s s"]:
    """s of the highlight, in least squares over the channels."""
    slope = 1 / expected.clamp(min=DARKEST)
    slope = slope - slope.mean(0)
    return (slope * rho).sum(0) / slope.square().sum(0).clamp(min=1e-3)


def _smooth(image: Float[Tensor, "S S C"], scale: int) -> Float[Tensor, "C s s"]:
    return gaussian_blur(F.avg_pool2d(image.permute(2, 0, 1)[None], scale)[0], BLUR)
