"""The prior of a person's shape p_s: that of the model alone, or one that also uses the recogniser's embedding.

The paper's prior is p_s ~ N(0, I). The embedding e of a photo also tells something about the shape, as MICA shows
(Zielonka et al. 2022). Here the relation is linear, and it is learnt from renderings of random people
(`ganfit_nb.training.shape.shape_from_identity`). The mean embedding of n photos of one person is

    ē = m + B p_s + ν,   ν ~ N(0, N),   N = P + V / n + κ D.

P is the covariance among persons of the same shape, V the covariance among photos of one person, and D the covariance
of the difference between real photos and renderings. It follows that

    p_s | ē ~ N(μ, Σ),   Σ⁻¹ = I + Bᵀ N⁻¹ B,   μ = Σ Bᵀ N⁻¹ (ē − m).

κ is 1 for a likely embedding. For an unlikely one κ is doubled until (ē − m)ᵀ (B Bᵀ + N)⁻¹ (ē − m) is at most its
expected value, the length of e. So photos that are unlike all renderings tell little about the shape.
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
LARGEST_GAP = 64.0  # of κ; with it an embedding has hardly any effect


@dataclass(frozen=True)
class ShapePrior:
    """p_s ~ N(mean, Σ), for one person, or with a leading dimension for several.

    `whitening` (S, S) is a matrix W with WᵀW = Σ⁻¹, so that W (p_s − mean) is standard normal.
    """

    mean: Float[Tensor, "*n S"]
    whitening: Float[Tensor, "*n S S"]

    @classmethod
    def standard(cls, count: int) -> ShapePrior:
        """N(0, I), the prior of the paper."""
        return cls(torch.zeros(count), torch.eye(count))

    @classmethod
    def together(cls, priors: Sequence[ShapePrior]) -> ShapePrior:
        """The priors of several people, with a leading dimension."""
        return cls(torch.stack([prior.mean for prior in priors]), torch.stack([prior.whitening for prior in priors]))

    def deviations(self, identity: Float[Tensor, "*n S"]) -> Float[Tensor, "*n S"]:
        """The difference of p_s from the mean, in standard deviations."""
        return (self.whitening @ (identity - self.mean)[..., None])[..., 0]

    def to(self, device: torch.device | str) -> ShapePrior:
        """The same prior on another device."""
        return ShapePrior(self.mean.to(device), self.whitening.to(device))


@dataclass(frozen=True)
class ShapeFromIdentity:
    """How the shipped recogniser's embedding depends on p_s. Here D = 128 is the length of an embedding.

    mean      (D,) m, the mean embedding
    by_shape  (D, S) B, the change of the embedding with p_s
    persons   (D, D) P, covariance among persons of the same shape
    photos    (D, D) V, covariance among photos of one person
    domain    (D, D) D, covariance of the difference between real photos and renderings
    """

    mean: Float[Tensor, " D"]
    by_shape: Float[Tensor, "D S"]
    persons: Float[Tensor, "D D"]
    photos: Float[Tensor, "D D"]
    domain: Float[Tensor, "D D"]

    @staticmethod
    @cache
    def default() -> ShapeFromIdentity:
        """The statistics that ship with the package. They belong to the shipped shape model and recogniser."""
        with shipped(ASSET) as path:
            return ShapeFromIdentity.load(path)

    @classmethod
    def load(cls, path: Path) -> ShapeFromIdentity:
        """Reads a file of `ganfit_nb.training.shape.shape_from_identity`. Raises GanfitError when it is another one."""
        maker = "python -m ganfit_nb.training.shape.shape_from_identity"
        with reading(path, f"holds no regression of shape; give a file made by {maker}.", MAXIMUM_BYTES):
            return cls(**{name: tensor.float() for name, tensor in load_tensors(path, SHAPES).items()})

    def prior(self, embeddings: Float[Tensor, "n D"]) -> ShapePrior:
        """The prior of p_s, given the embeddings of n photos of one person."""
        off, by_shape = (embeddings.mean(0) - self.mean).double(), self.by_shape.double()
        known, domain = (self.persons + self.photos / len(embeddings)).double(), self.domain.double()
        gap, shape = 1.0, by_shape @ by_shape.T
        while gap < LARGEST_GAP and off @ torch.linalg.solve(shape + known + gap * domain, off) > len(off):
            gap *= 2
        weighted = torch.linalg.solve(known + gap * domain, by_shape)  # N⁻¹ B
        precision = torch.eye(by_shape.shape[1]).double() + by_shape.T @ weighted
        mean = torch.linalg.solve(precision, weighted.T @ off)
        return ShapePrior(mean.float(), torch.linalg.cholesky(precision).mT.float())
