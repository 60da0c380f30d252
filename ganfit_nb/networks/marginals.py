"""Marginals: maps from N(0, 1) to the distribution that each code of a corpus really has, and back.

A *code* holds the whitened principal components of a map; a *latent* z is the same map's code in Gaussian terms. The
components are uncorrelated, but they are not Gaussian: dark skin is as frequent as light skin, and a component that
stands for a rare feature is zero in most maps. Codes drawn from a Gaussian would give skin darker and lighter than
anybody's. So every component has an increasing, piecewise linear map of its own, whose knots are the quantiles of the
corpus.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

KNOTS = torch.linspace(-3.0, 3.0, 13)  # in standard deviations; the outermost pieces continue beyond them


class Marginals(nn.Module):
    """The maps of all components. They begin as the identity.

    values  the code of each component at every knot
    """

    values: Tensor

    def __init__(self, components: int) -> None:
        super().__init__()
        self.register_buffer("values", KNOTS.repeat(components, 1))

    def forward(self, z: Float[Tensor, "N C"]) -> Float[Tensor, "N C"]:
        """The codes of latents."""
        at, piece, left, right = self._piece(z)
        return left + (at - piece) * (right - left)

    def slopes(self, z: Float[Tensor, "N C"]) -> Float[Tensor, "N C"]:
        """How fast each code changes with its latent."""
        _, _, left, right = self._piece(z)
        return (right - left) / (KNOTS[1] - KNOTS[0]).to(z)

    def _piece(self, z: Float[Tensor, "N C"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Where each latent lies in knots, the knot to its left, and the values at both ends of the piece."""
        at = (z - KNOTS[0]) / (KNOTS[1] - KNOTS[0])
        piece = at.detach().floor().long().clamp(0, len(KNOTS) - 2)
        left, right = (self.values.T.gather(0, index) for index in (piece, piece + 1))
        return at, piece, left, right

    def inverse(self, codes: Float[Tensor, "N C"]) -> Float[Tensor, "N C"]:
        """The latents of codes."""
        piece = torch.searchsorted(self.values[:, 1:-1].contiguous(), codes.T.contiguous()).T
        left, right = (self.values.T.gather(0, index) for index in (piece, piece + 1))
        return KNOTS[0].to(codes) + (piece + (codes - left) / (right - left)) * (KNOTS[1] - KNOTS[0]).to(codes)


def corpus_marginals(codes: Float[Tensor, "N C"]) -> Marginals:
    """The marginals of these codes. Quantiles that coincide are moved apart a little, so that every map has an
    inverse."""
    marginals = Marginals(codes.shape[1])
    shares = torch.special.ndtr(KNOTS.double())
    quantiles = torch.quantile(codes.double(), shares, dim=0).T
    marginals.values.copy_(quantiles + 1e-3 * KNOTS)
    return marginals
