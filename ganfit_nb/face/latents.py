"""Moves in a texture model's latent space: inversion, interpolation, truncation, and directions with a meaning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.gan_texture import GanTexture
from ganfit_nb.face.texture import TextureModel


@dataclass(frozen=True)
class InversionStep:
    """One step of an inversion.

    error  |G(p_t) − I_uv| of this p_t, the mean over texels and channels
    """

    index: int
    p_t: Float[Tensor, " t"]
    error: float


def invert(
    target: Float[Tensor, "H W 3"],
    texture: TextureModel,
    steps: int = 200,
    rate: float = 0.05,
    weight: Float[Tensor, "H W"] | None = None,
    start: Float[Tensor, " t"] | None = None,
) -> Iterator[InversionStep]:
    """Minimises |G(p_t) − I_uv|₁ over p_t by Adam (Sec. 3.1), and yields every step.

    Step 0 is the start: `start`, or the average person. `weight` says how much each texel counts; by default all count
    the same. The learning rate falls from `rate` to zero along a half cosine, because with a constant rate Adam does
    not come to rest at the minimum of an ℓ1 norm. Raises GanfitError when the target has another size than the maps.
    """
    p_t = (torch.zeros(texture.dim) if start is None else start.detach().clone()).requires_grad_()
    if (size := texture(p_t.detach()).shape) != target.shape:
        raise GanfitError(f"This model draws maps of {tuple(size)}, and the target has {tuple(target.shape)}.")
    share = torch.ones(target.shape[:2]) if weight is None else weight
    share = share / share.sum()
    optimizer = torch.optim.Adam([p_t], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    for index in range(steps + 1):
        optimizer.zero_grad()
        error = ((texture(p_t) - target).abs().mean(dim=2) * share).sum()
        yield InversionStep(index, p_t.detach().clone(), float(error.detach()))
        error.backward()
        optimizer.step()
        schedule.step()


def interpolate(a: Float[Tensor, " t"], b: Float[Tensor, " t"], t: float) -> Float[Tensor, " t"]:
    """The latent on the way from a (t = 0) to b (t = 1): spherical interpolation, with a linear change of length.

    On a straight line between two Gaussian latents the latents are shorter, so the people are more average. On the arc
    of a great circle they are not.
    """
    lengths = a.norm(), b.norm()
    if min(lengths) == 0:
        return torch.lerp(a, b, t)
    angle = torch.arccos((a @ b / (lengths[0] * lengths[1])).clamp(-1.0, 1.0))
    if angle.sin() < 1e-4:
        return torch.lerp(a, b, t)
    along = (torch.sin((1 - t) * angle) * a / lengths[0] + torch.sin(t * angle) * b / lengths[1]) / angle.sin()
    return along * torch.lerp(*lengths, t)


def truncate(p_t: Float[Tensor, "... t"], psi: float) -> Float[Tensor, "... t"]:
    """The truncation trick: ψ p_t. The average person is at 0, so a smaller ψ gives less variety and fewer faults."""
    return psi * p_t


def sefa_directions(texture: GanTexture, count: int) -> Float[Tensor, "count t"]:
    """The unit directions of z that change the generator's first layers most (SeFa, Shen and Zhou, CVPR 2021).

    They are the leading eigenvectors of Σ AᵀA. The sum is over the two layers that take the codes, the dense layer and
    the linear image, and A is a layer's matrix, scaled to unit norm. Every direction points to lighter skin.
    """
    generator = texture.generator
    zero = torch.zeros(1, texture.dim, requires_grad=True)
    (slope,) = torch.autograd.grad(generator.marginals(zero).sum(), zero)  # d code / d latent, at the average person
    lightness = slope.T * generator.luma.flatten(1)
    energy = torch.zeros(texture.dim, texture.dim, dtype=torch.float64)
    picture = torch.cat([lightness, slope.T * generator.chroma.flatten(1)], dim=1)
    for layer in (slope.T * generator.dense.weight.detach().T, picture):
        energy += (layer.double() @ layer.double().T) / layer.double().square().sum()
    directions = torch.linalg.eigh(energy)[1].flip(1)[:, :count].T.float()
    return directions * torch.where(directions @ lightness.mean(dim=1) < 0, -1.0, 1.0)[:, None]
