"""What is known of a person's shape before the fit: the model's own prior, or one informed by the recogniser.

The paper's prior is p_s ~ N(0, I). But the embedding e of a photo tells about the shape, too (the idea of MICA,
Zielonka et al. 2022). Drawn people (`ganfit_nb.training.shape.shape_from_identity`) show how. Over n photos of a
person the mean embedding is

    ē = m + B p_s + ν,   ν ~ N(0, N),   N = P + V / n + κ D:

P is what persons of one shape differ in, V what photos of one person differ in, and D how real photos differ from drawn
ones. So

    p_s | ē ~ N(μ, Σ),   Σ⁻¹ = I + Bᵀ N⁻¹ B,   μ = Σ Bᵀ N⁻¹ (ē − m).

κ is 1, or as much larger as makes ē a likely one, (ē − m)ᵀ (B Bᵀ + N)⁻¹ (ē − m) ≤ its mean: photos unlike all that were
drawn tell little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.assets import shipped
from ganfit_nb.files.reading import reading
from ganfit_nb.files.tensor_files import MAXIMUM_BYTES, load_tensors

ASSET = "shape_from_identity.safetensors"
SHAPES = {
    "mean": "float D",
    "by_shape": "float D S",
    "persons": "float D D",
    "photos": "float D D",
    "domain": "float D D",
}
LARGEST_GAP = 64.0  # κ; beyond it the embedding is as good as unheard


@dataclass(frozen=True)
class ShapePrior:
    """p_s ~ N(mean, Σ), as what makes it standard normal: `whitening` (S, S) with whiteningᵀ whitening = Σ⁻¹. Of one
    person, or with a leading dimension of several."""

    mean: Float[Tensor, "*n S"]
    whitening: Float[Tensor, "*n S S"]

    @classmethod
    def standard(cls, count: int) -> ShapePrior:
        """N(0, I), the paper's."""
        return cls(torch.zeros(count), torch.eye(count))

    @classmethod
    def together(cls, priors: Sequence[ShapePrior]) -> ShapePrior:
        """Those of several people as one."""
        return cls(torch.stack([prior.mean for prior in priors]), torch.stack([prior.whitening for prior in priors]))

    def deviations(self, identity: Float[Tensor, "*n S"]) -> Float[Tensor, "*n S"]:
        """How far p_s is from what is expected, in standard deviations."""
        return (self.whitening @ (identity - self.mean)[..., None])[..., 0]

    def to(self, device: torch.device | str) -> ShapePrior:
        """The same prior on another device."""
        return ShapePrior(self.mean.to(device), self.whitening.to(device))


@dataclass(frozen=True)
class ShapeFromIdentity:
    """How the shipped recogniser's embedding, D = 128 numbers, depends on p_s.

    mean      (D,) m
    by_shape  (D, S) B
    persons   (D, D) P
    photos    (D, D) V
    domain    (D, D) D
    """

    mean: Float[Tensor, " D"]
    by_shape: Float[Tensor, "D S"]
    persons: Float[Tensor, "D D"]
    photos: Float[Tensor, "D D"]
    domain: Float[Tensor, "D D"]

    @staticmethod
    @cache
    def default() -> ShapeFromIdentity:
        """What ships with the package, for the shipped shape model and recogniser."""
        with shipped(ASSET) as path:
            return ShapeFromIdentity.load(path)

    @classmethod
    def load(cls, path: Path) -> ShapeFromIdentity:
        """Reads what `ganfit_nb.training.shape.shape_from_identity` wrote; GanfitError when it is something else."""
        maker = "python -m ganfit_nb.training.shape.shape_from_identity"
        with reading(path, f"holds no regression of shape; give a file made by {maker}.", MAXIMUM_BYTES):
            return cls(**{name: tensor.float() for name, tensor in load_tensors(path, SHAPES).items()})

    def prior(self, embeddings: Float[Tensor, "n D"]) -> ShapePrior:
        """p_s given the embeddings of n photos of one person."""
        off, by_shape = (embeddings.mean(0) - self.mean).double(), self.by_shape.double()
        known, domain = (self.persons + self.photos / len(embeddings)).double(), self.domain.double()
        gap, shape = 1.0, by_shape @ by_shape.T
        while gap < LARGEST_GAP and off @ torch.linalg.solve(shape + known + gap * domain, off) > len(off):
            gap *= 2
        weighted = torch.linalg.solve(known + gap * domain, by_shape)  # N⁻¹ B
        precision = torch.eye(by_shape.shape[1]).double() + by_shape.T @ weighted
        mean = torch.linalg.solve(precision, weighted.T @ off)
        return ShapePrior(mean.float(), torch.linalg.cholesky(precision).mT.float())
