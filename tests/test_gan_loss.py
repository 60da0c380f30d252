"""The losses of the texture GAN on discriminators and images whose answer is known."""

import pytest
import torch
from torch import Tensor, nn

from ganfit_nb.training.texture_gan.discriminator import Discriminator
from ganfit_nb.training.texture_gan.gan_batch import GanBatch
from ganfit_nb.training.texture_gan.gan_config import GanConfig
from ganfit_nb.training.texture_gan.gan_loss import (
    PENALTY_INTERVAL,
    discriminator_loss,
    generator_loss,
    reconstruction_loss,
)

SIDE, COUNT = 64, 4
CONFIG = GanConfig(gamma=0.5)


class LinearDiscriminator(Discriminator):
    """Its logits are `slope` times the sum of an image."""

    def __init__(self, slope: float) -> None:
        nn.Module.__init__(self)
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, image: Tensor, mean: Tensor, resolution: int, alpha: float) -> Tensor:
        return self.slope * image.float().sum(dim=(1, 2, 3))


@pytest.fixture
def batch() -> GanBatch:
    real, ones = torch.rand(COUNT, SIDE, SIDE, 3), torch.ones(SIDE, SIDE, 1)
    return GanBatch(SIDE, 1.0, None, torch.randn(COUNT, 2), real, 0.5 * ones.expand(-1, -1, 3), ones, 0 * ones, None)


def test_losses_are_relativistic(batch: GanBatch) -> None:
    darker = batch.real - 1.0
    for slope, good in ((1.0, True), (-1.0, False)):
        loss, _ = discriminator_loss(LinearDiscriminator(slope), batch, darker, CONFIG, penalise=False)
        assert (loss < 1e-3) == good
        _, terms = generator_loss(LinearDiscriminator(slope), batch, darker, CONFIG)
        assert (terms["adversarial"] > 1.0) == good
    loss, _ = discriminator_loss(LinearDiscriminator(1.0), batch, batch.real, CONFIG, penalise=False)
    assert loss.item() == pytest.approx(0.6931, abs=1e-4)  # chance


def test_penalties_are_the_squared_gradients_of_the_logits(batch: GanBatch) -> None:
    plain, _ = discriminator_loss(LinearDiscriminator(0.1), batch, batch.real, CONFIG, penalise=False)
    loss, terms = discriminator_loss(LinearDiscriminator(0.1), batch, batch.real, CONFIG, penalise=True)
    expected = 0.1**2 * SIDE * SIDE * 3
    assert terms["r1"].item() == pytest.approx(expected, rel=1e-4)
    assert terms["r2"].item() == pytest.approx(expected, rel=1e-4)
    assert (loss - plain).item() == pytest.approx(PENALTY_INTERVAL * CONFIG.gamma * expected, rel=1e-4)


def test_only_images_with_a_target_are_compared_with_it(batch: GanBatch) -> None:
    fake = batch.real.clone()
    fake[batch.sampled] = torch.rand(COUNT // 2, SIDE, SIDE, 3)
    _, same = generator_loss(LinearDiscriminator(0.0), batch, fake, CONFIG)
    _, other = generator_loss(LinearDiscriminator(0.0), batch, fake.flip(0), CONFIG)
    for name in ("reconstruction", "detail", "placement"):
        assert same[name].item() == pytest.approx(0.0, abs=1e-3)
        assert other[name] > 0.1


def test_detail_finer_than_codes_can_place_counts_within_the_eyes_only() -> None:
    target = torch.full((1, 128, 128, 3), 0.5)
    checks = target + 0.1 * (-1.0) ** (torch.arange(128)[:, None, None] + torch.arange(128)[:, None])
    ones = torch.ones(128, 128, 1)
    assert reconstruction_loss(checks, target, ones, 0 * ones, 512) < 1e-6
    assert reconstruction_loss(checks, target, ones, ones, 512) > 0.1
    assert reconstruction_loss(checks, target, ones, 0 * ones, 128) > 0.1
