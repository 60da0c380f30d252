"""Vertex attributes at the points that pixels show."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from ganfit_nb.renderer.fragments import Fragments
from ganfit_nb.renderer.rasterize import backend


def interpolate(attributes: Float[Tensor, "*n V C"], fragments: Fragments) -> Float[Tensor, "*n H W C"]:
    """Attributes of the vertices as an image, 0 in the background; differentiable in attributes and vertices."""
    flat = attributes.reshape(-1, attributes.shape[-1])
    values = backend(attributes.device).interpolate(flat, fragments.corners, fragments.bary)
    return fragments.image(values)
