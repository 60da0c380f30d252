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
PART = 50_000  # texels whose light is computed at once, because it takes much memory
TURNS = 8  # of the reweighted least squares
ROBUST = 2.0  # deviations beyond two σ count ever less
MAD = 1.4826  # standard deviations of a normal variable in its median deviation
GREY_RIDGE, COLOUR_RIDGE = 0.01, 0.1  # of the samples' number: pulls towards light that is everywhere the same
TILT = 0.2  # rad by which a fitted normal may err
UNSURE = 0.15, 0.35  # error of the shading's logarithm that TILT makes
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
    first, shading = without_lamp(colour, points, normals, parameters)
    weight = weight * sure_of_lamp(shading, points, normals, parameters.light)
    difference = (first + DARK).log() - (expected + DARK).log()
    light = residual_light(difference, normals, weight)
    albedo = (first + DARK) / light.exp() - DARK
    rms = (light.square().mean(1) * weight).sum() / weight.sum().clamp(min=1e-9)
    return Delit(albedo, weight, float(rms.sqrt()))


def without_lamp(
    colour: Float[Tensor, "N 3"],
    points: Float[Tensor, "N 3"],
    normals: Float[Tensor, "N 3"],
    parameters: FaceParameters,
) -> tuple[Float[Tensor, "N 3"], Float[Tensor, "N 3"]]:
    """A₁, and the shading it was divided by."""
    black, white = (_lit(value, points, normals, parameters) for value in (0.0, 1.0))
    shading = (white - black).clamp(min=LEAST_SHADING)
    return (colour - black).clamp(min=0) / shading, shading


def _lit(
    grey: float, points: Float[Tensor, "N 3"], normals: Float[Tensor, "N 3"], parameters: FaceParameters
) -> Float[Tensor, "N 3"]:
    """What the lamp makes of a grey albedo."""
    viewer, parts = eye(parameters.camera), zip(normals.split(PART), points.split(PART), strict=True)
    return torch.cat([phong(torch.full_like(n, grey), n, x, viewer, parameters.light) for n, x in parts])


def sure_of_lamp(
    shading: Float[Tensor, "N 3"],
    points: Float[Tensor, "N 3"],
    normals: Float[Tensor, "N 3"],
    light: Float[Tensor, " 9"],
) -> Float[Tensor, " N"]:
    """1 where the shading is known although the normal may err by TILT, 0 near the terminator of a strong lamp and
    where there is no light.

    d log(ambient + lamp cos θ) / dθ = lamp sin θ / shading, up to TILT beyond the terminator.
    """
    to_light = F.normalize(light[:3] - points, dim=1)
    cosine = (normals * to_light).sum(1)
    slope = light[3:6].mean() * (1 - cosine.square()).clamp(min=0).sqrt() / shading.mean(1)
    error = TILT * slope * (cosine > -TILT)
    return (1 - smoothstep(error, *UNSURE)) * smoothstep(shading.mean(1), LEAST_SHADING, 3 * LEAST_SHADING)


def residual_light(
    difference: Float[Tensor, "N 3"], normals: Float[Tensor, "N 3"], weight: Float[Tensor, " N"]
) -> Float[Tensor, "N 3"]:
    """Σ_k c_k Y_k(n) that explains most of `difference`, by iteratively reweighted least squares on a sample.

    Light changes its strength over a face more than its colour, skin its colour more than its strength. So the mean of
    the channels follows the samples more closely than what they differ by.
    """
    seen = (weight > 0).nonzero()[:, 0]
    if not len(seen):
        return torch.zeros_like(difference)
    chosen = seen[:: -(-len(seen) // SAMPLES)]
    columns, target, w = harmonics(normals[chosen]), difference[chosen], weight[chosen]
    grey = target.mean(1, keepdim=True)
    c_grey, robust = torch.zeros(9, 1), torch.ones_like(w)
    for _ in range(TURNS):
        c_grey = _ridge(columns, grey, w * robust, GREY_RIDGE)
        robust = _cauchy((grey - columns @ c_grey)[:, 0], w)
    c_colour = _ridge(columns, target - grey, w * robust, COLOUR_RIDGE)
    parts = normals.split(PART)
    return torch.cat([harmonics(part) @ (c_grey + c_colour) for part in parts])


def _ridge(
    columns: Float[Tensor, "n K"], target: Float[Tensor, "n C"], weight: Float[Tensor, " n"], ridge: float
) -> Float[Tensor, "K C"]:
    """Weighted least squares with a pull of all but the first column's coefficient, the mean, to 0."""
    weighted = columns * weight[:, None]
    pull = torch.full((columns.shape[1],), ridge).index_fill(0, torch.tensor([0]), 0.0)
    return torch.linalg.solve(weighted.T @ columns + weight.sum() * pull.diag(), weighted.T @ target)


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
