"""The cost terms of Sec. 3.3 and their weighted sum (Eq. 8 to 12).

The paper's weights were chosen for ArcFace, whose cosine distance between two different people is about 1. Each network
therefore brings its own statistics (identity.py), by which distances are divided: in every identity and content term 1
means "as far apart as two different people", and the paper's weights keep their meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass
class LossWeights:
    """The λ of Eq. 12. Mutable on purpose: a fit reads them at every step, so a change is a live ablation.

    A term of weight 0 is not computed. The paper's values, but for `texture_prior`: its generator needs none, a linear
    texture model (Eq. 1) does.
    """

    identity: float = 2.0
    second_identity: float = 2.0
    content: float = 50.0
    pixel: float = 20.0
    landmark: float = 0.002
    shape_prior: float = 0.1
    light_prior: float = 0.01
    texture_prior: float = 0.05

    def active(self) -> dict[str, float]:
        """The terms to compute, in the order of Eq. 12."""
        return {name: weight for name, weight in asdict(self).items() if weight != 0}

    def only(self, *names: str) -> LossWeights:
        """A copy in which every other term has weight 0."""
        return LossWeights(**{name: weight if name in names else 0.0 for name, weight in asdict(self).items()})


def cosine_distance(a: Float[Tensor, " D"], b: Float[Tensor, " D"]) -> Float[Tensor, ""]:
    """1 − a·b / (‖a‖ ‖b‖), the identity distance of Eq. 8."""
    return 1 - torch.nn.functional.cosine_similarity(a, b, dim=0)


def content_distance(a: Sequence[Tensor], b: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Σ_j ‖F^j(a) − F^j(b)‖₂ / (H W C) over the layers' activations (Eq. 9)."""
    return torch.stack([(x - y).norm() / x.numel() for x, y in zip(a, b, strict=True)]).sum()


def pixel_distance(
    a: Float[Tensor, "H W 3"], b: Float[Tensor, "H W 3"], weight: Float[Tensor, "H W"]
) -> Float[Tensor, ""]:
    """Mean ℓ1 distance per channel over the weighted pixels (Eq. 10)."""
    return ((a - b).abs().mean(-1) * weight).sum() / weight.sum().clamp(min=1)


def landmark_distance(
    a: Float[Tensor, "L 2"], b: Float[Tensor, "L 2"], weight: Float[Tensor, " L"]
) -> Float[Tensor, ""]:
    """Sum of the point-to-point Euclidean distances (Eq. 11), in the points' unit."""
    squared = (a - b).square().sum(-1)
    return (weight * (squared + 1e-6).sqrt()).sum()  # 1e-6: a finite gradient where two points meet


def prior(*coefficients: Tensor) -> Float[Tensor, ""]:
    """Reg of Eq. 12: mean square of coefficients given in standard deviations."""
    return torch.cat([c.flatten() for c in coefficients]).square().mean()
