"""Vertex attributes at the points that pixels show."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from ganfit_nb.renderer.fragments import Fragments
from ganfit_nb.renderer.rasterize import backend


def interpolate(attributes: Float[Tensor, "V C"], fragments: Fragments) -> Float[Tensor, "H W C"]:
    """Attributes of the vertices as an image, 0 in the background; differentiable in attributes and vertices."""
    values = backend(attributes.device).interpolate(attributes, fragments.corners, fragments.bary)
    return fragments.image(values)
