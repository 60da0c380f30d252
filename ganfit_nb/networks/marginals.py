"""From N(0, 1) to the distribution that each code of a corpus really has, and back.

Principal components are uncorrelated, but not Gaussian: skin is about as often light as dark, and a code that stands
for a rare feature is mostly near zero. Drawn from a Gaussian they would give skins blacker and whiter than any. So each
component is passed through its own increasing, piecewise linear map, whose knots are the corpus' quantiles.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

KNOTS = torch.linspace(-3.0, 3.0, 13)  # of the Gaussian; beyond them the outermost pieces go on


class Marginals(nn.Module):
    """The maps of all components; at first the identity."""

    values: Tensor

    def __init__(self, components: int) -> None:
        super().__init__()
        self.register_buffer("values", KNOTS.repeat(components, 1))

    def forward(self, z: Float[Tensor, "N C"]) -> Float[Tensor, "N C"]:
        """Codes of latents."""
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
        """Latents of codes."""
        piece = torch.searchsorted(self.values[:, 1:-1].contiguous(), codes.T.contiguous()).T
        left, right = (self.values.T.gather(0, index) for index in (piece, piece + 1))
        return KNOTS[0].to(codes) + (piece + (codes - left) / (right - left)) * (KNOTS[1] - KNOTS[0]).to(codes)


def corpus_marginals(codes: Float[Tensor, "N C"]) -> Marginals:
    """The maps whose knots are quantiles of these codes, kept apart where they coincide."""
    marginals = Marginals(codes.shape[1])
    shares = torch.special.ndtr(KNOTS.double())
    quantiles = torch.quantile(codes.double(), shares, dim=0).T
    marginals.values.copy_(quantiles + 1e-3 * KNOTS)
    return marginals
