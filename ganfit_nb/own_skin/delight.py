"""Takes the light out of an unwrapped photo.

The fit knows one lamp: I = albedo · (ambient + diffuse) + highlight (`renderer/lighting.py`), so

    A₁ = (I − highlight) / (ambient + diffuse).

Real light comes from everywhere. What of it is left in A₁ is a smooth function of where the surface faces: the
reflection of distant light by a matte surface is, to about 1 %, a sum of the nine spherical harmonics Y_k of order 2
of the normal n (Ramamoorthi & Hanrahan 2001). So log(A₁ / A₀) ≈ Σ_k c_k Y_k(n), where A₀ is the albedo that the fit
found, is fitted per channel by robust least squares, and divided out. What remains of A₁ has the mean tone of A₀, and
no shading that a ball in the same light would show.

A₀ has taken some of the light that the lamp does not explain. Left and right half of a face have the same tone, so the
mean of A₀ and its mirror image stands in for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.own_skin.visibility import smoothstep
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.renderer.camera import eye
from ganfit_nb.renderer.lighting import phong

DARK = 0.02  # display value, added before a logarithm: what is darker has noise for its colour
SAMPLES = 20_000  # texels that the residual light is fitted to
TURNS = 8  # of the reweighted least squares
ROBUST = 2.0  # deviations beyond two σ count ever less
MAD = 1.4826  # standard deviations of a normal variable in its median deviation
RIDGE = 0.01  # of the samples' number: a pull towards no residual light
LEAST_SHADING = 0.05  # of full light; what is darker shows noise


@dataclass(frozen=True)
class Delit:
    """The photo's albedo at the N texels.

    albedo          RGB; not clamped
    weight          what is left of the photo's weight where no highlight lies
    residual_light  root mean square over the seen texels of the light, in logarithms, that the lamp did not explain
    """

    albedo: Float[Tensor, "N 3"]
    weight: Float[Tensor, " N"]
    residual_light: float


def delight(
    colour: Float[Tensor, "N 3"],
    weight: Float[Tensor, " N"],
    points: Float[Tensor, "N 3"],
    normals: Float[Tensor, "N 3"],
    parameters: FaceParameters,
    expected: Float[Tensor, "N 3"],
) -> Delit:
    """Divides the fitted light and the residual light out. `expected` is the fitted albedo, mirror symmetric."""
    first, dim = without_lamp(colour, points, normals, parameters)
    weight = weight * smoothstep(dim, LEAST_SHADING, 3 * LEAST_SHADING)
    difference = (first + DARK).log() - (expected + DARK).log()
    light, trust = residual_light(difference, normals, weight)
    albedo = (first + DARK) / light.exp() - DARK
    rms = (light.square().mean(1) * weight).sum() / weight.sum().clamp(min=1e-9)
    return Delit(albedo, weight, float(rms.sqrt()))


def without_lamp(
    colour: Float[Tensor, "N 3"], points: Float[Tensor, "N 3"], normals: Float[Tensor, "N 3"], parameters: FaceParameters
) -> tuple[Float[Tensor, "N 3"], Float[Tensor, " N"]]:
    """A₁, and how bright a white surface would be: the mean of ambient + diffuse over the channels."""
    black, white = (
        phong(torch.full_like(colour, value), normals, points, eye(parameters.camera), parameters.light)
        for value in (0.0, 1.0)
    )
    shading = white - black
    return (colour - black).clamp(min=0) / shading.clamp(min=LEAST_SHADING), shading.mean(1)


def residual_light(
    difference: Float[Tensor, "N 3"], normals: Float[Tensor, "N 3"], weight: Float[Tensor, " N"]
) -> tuple[Float[Tensor, "N 3"], Float[Tensor, " N"]]:
    """Σ_k c_k Y_k(n) that explains most of `difference`, and how far each texel agrees with it, in [0, 1].

    Iteratively reweighted least squares with Cauchy's weights, on a sample of the texels.
    """
    seen = (weight > 0).nonzero()[:, 0]
    if not len(seen):
        return torch.zeros_like(difference), torch.ones_like(weight)
    chosen = seen[:: -(-len(seen) // SAMPLES)]
    columns, target, w = harmonics(normals[chosen]), difference[chosen], weight[chosen]
    robust = torch.ones_like(w)
    for _ in range(TURNS):
        weighted = columns * (w * robust)[:, None]
        normal = weighted.T @ columns + RIDGE * w.sum() * torch.eye(columns.shape[1])
        c = torch.linalg.solve(normal, weighted.T @ target)
        robust = _cauchy((target - columns @ c).mean(1), w)
    light = harmonics(normals) @ c
    return light, torch.ones_like(weight)


def _cauchy(deviation: Float[Tensor, " n"], weight: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Weights of robust least squares; σ is the median deviation found."""
    sigma = MAD * deviation[weight > 0.5].abs().median() if (weight > 0.5).any() else MAD * deviation.abs().median()
    return 1 / (1 + (deviation / (ROBUST * sigma.clamp(min=1e-3))).square())


def harmonics(normals: Float[Tensor, "N 3"]) -> Float[Tensor, "N 9"]:
    """The real spherical harmonics up to order 2 of unit vectors, orthonormal over the sphere up to a factor 4π."""
    x, y, z = normals.unbind(1)
    one = torch.ones_like(x)
    first = [one, 3**0.5 * x, 3**0.5 * y, 3**0.5 * z]
    mixed = [15**0.5 * x * y, 15**0.5 * y * z, 15**0.5 * z * x]
    return torch.stack([*first, *mixed, 5**0.5 / 2 * (3 * z * z - 1), 15**0.5 / 2 * (x * x - y * y)], 1)
