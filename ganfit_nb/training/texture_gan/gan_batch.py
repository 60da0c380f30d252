"""The data of one training step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.networks.equalized import downsample, upsample
from ganfit_nb.networks.progressive_generator import COARSE, WINDOW, Window
from ganfit_nb.training.texture_gan.detail_amounts import ExpectedDetail
from ganfit_nb.training.texture_gan.gan_config import GanConfig
from ganfit_nb.training.texture_gan.training_maps import TrainingMaps


@dataclass(frozen=True)
class GanBatch:
    """What both networks are updated on in one step.

    resolution, alpha  the stage of growing, and the weight of its finest level
    window             the part of the maps that is shown; None for whole maps
    z                  latents: the first half (`coded`) belong to the first half of `real`, the others are random
    real               maps of the corpus, as sharp as the generator can be at this alpha
    mean, weight, eyes the mean of the corpus, the weights of texels and the mask of the eyes at the same place
    expected           the amounts of detail that latents let one expect; None until the last level has faded in
    """

    resolution: int
    alpha: float
    window: Window | None
    z: Float[Tensor, "N latent"]
    real: Float[Tensor, "N H W 3"]
    mean: Float[Tensor, "H W 3"]
    weight: Float[Tensor, "H W 1"]
    eyes: Float[Tensor, "H W 1"]
    expected: ExpectedDetail | None

    @classmethod
    def draw(
        cls, maps: TrainingMaps, config: GanConfig, resolution: int, alpha: float, random: torch.Generator
    ) -> GanBatch:
        """A random batch of a stage. With `expected` half of the random latents are pushed out of the corpus."""
        count = config.batch_size
        window = _random_window(resolution, random)
        index = torch.randint(len(maps), (count,), generator=random)
        noise = torch.randn(count // 2, config.latent, generator=random)
        expected = None
        if resolution == config.resolution and alpha >= 1.0 and config.expected_weight > 0.0:
            expected = maps.expected_detail.within(window)
            noise = torch.cat([expected.pushed(noise[: count // 4], random), noise[count // 4 :]])
        z = torch.cat([maps.latents[index[: count // 2]], noise])
        real = _faded(maps.images(index, resolution, window), alpha)
        mean, weight, eyes = (maps.reduced(whole, resolution, window) for whole in (maps.mean, maps.weight, maps.eyes))
        z, real, mean, weight, eyes = (tensor.to(config.device) for tensor in (z, real, mean, weight, eyes))
        return cls(resolution, alpha, window, z, real, mean, weight, eyes, expected)

    @property
    def coded(self) -> slice:
        """The images whose latents belong to `real`."""
        return slice(0, len(self.real) // 2)

    @property
    def sampled(self) -> slice:
        """The images whose latents are random."""
        return slice(len(self.real) // 2, None)


def _random_window(resolution: int, random: torch.Generator) -> Window | None:
    """A random place for a window; None where whole maps are shown, at up to WINDOW².

    Places at an edge are five times as likely as others: a window seldom covers the texels there.
    """
    if resolution <= WINDOW:
        return None
    last = COARSE - WINDOW * COARSE // resolution
    places = torch.randint(-4, last + 5, (2,), generator=random).clamp(0, last)
    return Window(*places.tolist())


def _faded(real: Float[Tensor, "N H W 3"], alpha: float) -> Float[Tensor, "N H W 3"]:
    """Maps whose finest octave has weight alpha."""
    if alpha >= 1.0:
        return real
    return alpha * real + (1.0 - alpha) * upsample(downsample(real), "bilinear")
