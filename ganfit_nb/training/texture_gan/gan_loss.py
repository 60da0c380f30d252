"""The losses of both networks, one block a term.

The discriminator minimises L_D + γ/2 (R1 + R2), the generator
λ_adv L_adv + λ_rec L_rec + λ_det L_det + λ_exp L_exp + λ_place L_place. docs/texture_gan.md says what each is for.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.networks.equalized import downsample
from ganfit_nb.networks.progressive_generator import COARSE
from ganfit_nb.training.texture_gan.detail_amounts import detail_loss, placement_loss
from ganfit_nb.training.texture_gan.discriminator import Discriminator
from ganfit_nb.training.texture_gan.gan_batch import GanBatch
from ganfit_nb.training.texture_gan.gan_config import GanConfig
from ganfit_nb.training.texture_gan.mixed_precision import mixed_precision

PENALTY_INTERVAL = 8  # steps from one gradient penalty to the next (lazy regularisation)
PLACED = 2 * COARSE  # side of the finest image that L_rec compares outside the eyes

Loss = tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]  # what to minimise, and its terms without weights


def discriminator_loss(
    discriminator: Discriminator, batch: GanBatch, fake: Float[Tensor, "N H W 3"], config: GanConfig, penalise: bool
) -> Loss:
    """The discriminator's loss. `penalise` adds the gradient penalties, which count PENALTY_INTERVAL times."""
    images = torch.cat([batch.real, fake]).requires_grad_(penalise)
    with mixed_precision(config.device):
        # Real and generated images run apart: minibatch standard deviation must not compare the two kinds.
        real_logits, fake_logits = (
            discriminator(part, batch.mean, batch.resolution, batch.alpha) for part in images.chunk(2)
        )

    # L_D, relativistic (Huang et al., "The GAN is dead; long live the GAN!", 2024): the logit of a real image should be
    # above that of the generated image beside it.
    loss = F.softplus((fake_logits - real_logits).float()).mean()
    terms = {"discriminator": loss}

    # R1 and R2: the squared gradient of the logits at real and at generated images (zero-centred penalties, ibid.).
    # With both, a relativistic loss needs none of the balancing that a Wasserstein critic needs.
    if penalise:
        (gradient,) = torch.autograd.grad(real_logits.sum() + fake_logits.sum(), images, create_graph=True)
        r1, r2 = (part.float().square().sum(dim=(1, 2, 3)).mean() for part in gradient.chunk(2))
        loss = loss + PENALTY_INTERVAL * 0.5 * config.gamma * (r1 + r2)
        terms |= {"r1": r1, "r2": r2}
    return loss, terms


def generator_loss(
    discriminator: Discriminator, batch: GanBatch, fake: Float[Tensor, "N H W 3"], config: GanConfig
) -> Loss:
    """The generator's loss. `fake` are its images of `batch.z`."""
    coded, target = fake[batch.coded].float(), batch.real[batch.coded]

    # L_adv, relativistic: the logit of a generated image should be above that of the real image beside it.
    with mixed_precision(config.device):
        with torch.no_grad():
            real_logits = discriminator(batch.real, batch.mean, batch.resolution, batch.alpha)
        fake_logits = discriminator(fake, batch.mean, batch.resolution, batch.alpha)
    adversarial = F.softplus((real_logits - fake_logits).float()).mean()

    # L_rec: the latent of a map should give that map, as far as a latent can place what it shows.
    reconstruction = reconstruction_loss(coded, target, batch.weight, batch.eyes, batch.resolution)

    # L_det: it should give as much detail as the map has, at each place of it.
    detail = detail_loss(coded, target, batch.weight)

    # L_exp: a random latent should give as much detail as a regression lets one expect of it.
    expected = detail.new_zeros(())
    if batch.expected:
        expected = batch.expected.loss(fake[batch.sampled].float(), batch.z[batch.sampled], batch.weight)

    # L_place: detail should lie where the map's lies, however strong it is.
    placement = placement_loss(coded, target, batch.weight)

    loss = (
        config.adversarial_weight * adversarial
        + config.reconstruction_weight * reconstruction
        + config.detail_weight * detail
        + config.expected_weight * expected
        + config.placement_weight * placement
    )
    return loss, {
        "adversarial": adversarial,
        "reconstruction": reconstruction,
        "detail": detail,
        "expected": expected,
        "placement": placement,
    }


def reconstruction_loss(
    image: Float[Tensor, "N H W 3"],
    target: Float[Tensor, "N H W 3"],
    weight: Float[Tensor, "H W 1"],
    eyes: Float[Tensor, "H W 1"],
    resolution: int,
) -> Float[Tensor, ""]:
    """L_rec of images of a resolution, or of windows of them.

    They are downsampled until a whole map has PLACED² texels: latents cannot place finer detail, and ℓ1 would suppress
    it. Only the eyes are compared at full resolution as well, because their outlines are the same in everybody.
    """
    loss = image.new_zeros(())
    if resolution > PLACED:
        loss = value_and_gradient_error(image, target, eyes[..., 0])
    while resolution > PLACED:
        image, target, weight = downsample(image), downsample(target), downsample(weight[None])[0]
        resolution //= 2
    return loss + value_and_gradient_error(image, target, weight[..., 0])


def value_and_gradient_error(
    image: Float[Tensor, "N H W 3"], target: Float[Tensor, "N H W 3"], weight: Float[Tensor, "H W"]
) -> Float[Tensor, ""]:
    """Weighted mean absolute error of the values, plus that of the differences between neighbouring texels. It is 0
    where the weight is."""
    error = image - target
    parts = (error, weight), (error.diff(dim=1), weight[1:]), (error.diff(dim=2), weight[:, 1:])
    return torch.stack(
        [(part.abs().mean(dim=(0, 3)) * share).sum() / share.sum().clamp_min(1.0) for part, share in parts]
    ).sum()
