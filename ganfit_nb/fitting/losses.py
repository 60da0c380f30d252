"""The cost terms of Sec. 3.3 and their weighted sum (Eq. 8 to 12).

The paper's weights belong to its own units, which it does not give. Ours, and why the weights keep their values or not:

* identity: the paper's ArcFace puts two different people at a cosine distance of about 1, dlib's network at 0.177. Each
  network brings that figure (identity.py) and distances are divided by it, so 1 means "as far apart as two different
  people" for any network, and λ_id = 2 stands.
* content: taken as printed. Two different people differ by 0.0177, with λ_con = 50 by 0.89: again about one unit.
* pixel: in [0, 1] a portrait and a wrong face differ by about 0.1, a fifth of what the identity terms begin with, and
  with λ_pix = 1 the skin's colour stays wrong (0.116 before, 0.118 after 200 steps on the bundled portrait). 20 brings
  it to 0.07, and known faces (benchmarks/known_faces.py) nearer their truth.
* landmark: a sum over 68 points' worth of pixels of a 512 pixel image. With 0.0005 the pixels win and smiles close;
  with 0.003 the detector's own errors, 2.7 mm on renderings of known faces, pull at the shape. 0.002 lies between.
* texture prior: with 0.1 the latents of a fitted portrait have a mean square of about 2.6, and skin is still skin. With
  0.2 it is 1.4, but the person is less like the photo (dlib's distance 0.265 against 0.250, the mean of 12 portraits)
  and faces of the MICC stand-in are no nearer their scans.
* other priors: mean squares of coefficients in standard deviations. What a picture does not show, the size of the head
  first of all, drifts with the noise of the second views unless the shape's prior weighs 1 (2.6 mm from known faces,
  2.9 mm with 0.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.values import number, require_field


@dataclass
class LossWeights:
    """The λ of Eq. 12. Mutable on purpose: a fit reads them at every step, so a change is a live ablation.

    A term of weight 0 is not computed. `texture_prior` is not the paper's, whose latents lie on a sphere: ours, like
    those of a linear texture model (Eq. 1), count standard deviations from the average person.
    """

    identity: float = 2.0
    second_identity: float = 2.0
    content: float = 50.0
    pixel: float = 20.0
    landmark: float = 0.002
    shape_prior: float = 1.0
    light_prior: float = 0.01
    texture_prior: float = 0.1

    def __setattr__(self, name: str, value: Any) -> None:
        """Takes a weight; GanfitError when there is no such term, or the weight is no finite number from 0 on."""
        require_field(self, name)
        super().__setattr__(name, number(f"The weight {name}", value))

    def active(self) -> dict[str, float]:
        """The terms to compute, in the order of Eq. 12."""
        return {name: weight for name, weight in asdict(self).items() if weight != 0}

    def only(self, *names: str) -> LossWeights:
        """A copy in which every other term has weight 0."""
        return LossWeights(**{name: weight if name in names else 0.0 for name, weight in asdict(self).items()})


def cosine_distance(a: Float[Tensor, "*n D"], b: Float[Tensor, "*n D"]) -> Float[Tensor, " *n"]:
    """1 − a·b / (‖a‖ ‖b‖), the identity distance of Eq. 8."""
    return 1 - torch.nn.functional.cosine_similarity(a, b, dim=-1)


def content_distance(
    a: Sequence[Float[Tensor, "N _ _ _"]], b: Sequence[Float[Tensor, "N _ _ _"]]
) -> Float[Tensor, " N"]:
    """Σ_j ‖F^j(a) − F^j(b)‖₂ / (H W C) over the layers' activations (Eq. 9), for each of N pictures."""
    layers = [(x - y).flatten(1) for x, y in zip(a, b, strict=True)]
    return torch.stack([layer.norm(dim=1) / layer.shape[1] for layer in layers]).sum(0)


def pixel_distance(
    a: Float[Tensor, "*n H W 3"], b: Float[Tensor, "*n H W 3"], weight: Float[Tensor, "*n H W"]
) -> Float[Tensor, " *n"]:
    """Mean ℓ1 distance per channel over the weighted pixels (Eq. 10)."""
    return ((a - b).abs().mean(-1) * weight).sum((-2, -1)) / weight.sum((-2, -1)).clamp(min=1)


def landmark_distance(
    a: Float[Tensor, "*n L 2"], b: Float[Tensor, "*n L 2"], weight: Float[Tensor, "*n L"]
) -> Float[Tensor, " *n"]:
    """Sum of the point-to-point Euclidean distances (Eq. 11), in the points' unit."""
    squared = (a - b).square().sum(-1)
    return (weight * (squared + 1e-6).sqrt()).sum(-1)  # 1e-6: a finite gradient where two points meet


def prior(coefficients: Float[Tensor, "*n K"]) -> Float[Tensor, " *n"]:
    """Reg of Eq. 12: mean square of coefficients given in standard deviations."""
    return coefficients.square().mean(-1)
