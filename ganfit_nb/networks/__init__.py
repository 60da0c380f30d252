"""Frozen networks in torch: what finds the face, its landmarks and its identity."""

from ganfit_nb.networks.identity import IdentityFeatures, IdentityNetwork

__all__ = ["IdentityFeatures", "IdentityNetwork"]
