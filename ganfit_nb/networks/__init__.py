"""Networks in torch: they find a face, its landmarks and its identity, or generate textures."""

from ganfit_nb.networks.identity import IdentityFeatures, IdentityNetwork

__all__ = ["IdentityFeatures", "IdentityNetwork"]
