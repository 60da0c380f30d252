"""Phong shading by one point light and ambient light, Sec. 3.2: p_l = [position (3), light RGB, ambient RGB]."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

# Faces in Weyrich et al. 2006 ("Analysis of human faces using a measurement-based skin reflectance model") have a
# microfacet slope of about m = 0.3. With skin's reflectance F0 = 0.028 (index of refraction 1.4) the peak of such a
# lobe, relative to a white diffuser, is F0 / (4 m²) = 0.08; its Blinn exponent 2/m² - 2 = 20 is about 5 for Phong.
SPECULAR = 0.08
SHININESS = 5
TINY = 1e-20  # added to squared lengths: a null vector stays null, with finite gradient

FRONTAL_LIGHT = (0.0, 300.0, 1000.0, 0.6, 0.6, 0.6, 0.5, 0.5, 0.5)


def frontal_light() -> Float[Tensor, " 9"]:
    """White light from the front and a little above, a metre away; a surface that faces it keeps about its albedo."""
    return torch.tensor(FRONTAL_LIGHT)


def phong(
    albedo: Float[Tensor, "n 3"],
    normals: Float[Tensor, "n 3"],
    positions: Float[Tensor, "n 3"],
    eye: Float[Tensor, "*#n 3"],
    p_l: Float[Tensor, "*#n 9"],
) -> Float[Tensor, "n 3"]:
    """Reflected RGB at n surface points (positions and eye in mm; normals need no unit length), all under one eye and
    light or each under its own.

    albedo (ambient + light n·l) + light k_s (r·v)^5 n·l, with l to the light, v to the eye and r = 2 (n·l) n - l.
    The lobe carries n·l (Lafortune & Willems 1994) so that it fades out at the terminator instead of jumping.
    Without distance falloff: position and colour of the light would compensate each other. One-sided: n·l and r·v
    stop at 0, with gradient 0 beyond. Not clamped above: values over 1 keep their gradient.
    """
    n = _unit(normals)
    position, colour, ambient = p_l.split(3, dim=-1)
    to_light, to_eye = _unit(position - positions), _unit(eye - positions)
    n_l = (n * to_light).sum(1, keepdim=True)
    r_v = 2.0 * n_l * (n * to_eye).sum(1, keepdim=True) - (to_light * to_eye).sum(1, keepdim=True)
    diffuse = n_l.clamp(min=0.0)
    specular = SPECULAR * r_v.clamp(min=0.0) ** SHININESS * diffuse
    return albedo * (ambient + colour * diffuse) + colour * specular


def _unit(vectors: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    return vectors * (vectors.square().sum(1, keepdim=True) + TINY).rsqrt()
