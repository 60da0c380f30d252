"""Walking a texture model's latent space: inversion, interpolation, truncation, and directions that mean something."""

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
    """One turn of an inversion: `error` is |G(p_t) − I_uv|, the mean over texels and channels, of this `p_t`."""

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
    """min |G(p_t) − I_uv|₁ over p_t (Sec. 3.1) by Adam, one step a turn; step 0 is the start, the average person.

    `weight` says what each texel counts (default: all the same). `rate` falls to zero along a half cosine, for the ℓ1
    norm keeps Adam restless. GanfitError when the target has another size than the model's maps.
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
    """The latent at `t` in [0, 1] on the way from a to b along a great circle, lengths blended.

    A straight line between two Gaussian latents passes through shorter, that is more average, ones; the arc does not.
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
    """Latents drawn towards the average person, which lies at 0: ψ p_t. Less varied, and safer, the smaller ψ."""
    return psi * p_t


def sefa_directions(texture: GanTexture, count: int) -> Float[Tensor, "count t"]:
    """Unit directions along which the layers that z enters change most (SeFa; Shen and Zhou, CVPR 2021).

    They are the leading eigenvectors of Σ AᵀA over the two such layers, the dense one and the linear picture, each
    scaled to unit norm. Their signs are fixed: forward is lighter.
    """
    generator = texture.generator
    zero = torch.zeros(1, texture.dim, requires_grad=True)
    (slope,) = torch.autograd.grad(generator.marginals(zero).sum(), zero)  # the codes' own, at the average person
    lightness = slope.T * generator.luma.flatten(1)
    energy = torch.zeros(texture.dim, texture.dim, dtype=torch.float64)
    picture = torch.cat([lightness, slope.T * generator.chroma.flatten(1)], dim=1)
    for layer in (slope.T * generator.dense.weight.detach().T, picture):
        energy += (layer.double() @ layer.double().T) / layer.double().square().sum()
    directions = torch.linalg.eigh(energy)[1].flip(1)[:, :count].T.float()
    return directions * torch.where(directions @ lightness.mean(dim=1) < 0, -1.0, 1.0)[:, None]
