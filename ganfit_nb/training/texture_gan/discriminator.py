"""The discriminator of a progressive GAN in UV space: the generator's mirror image (Karras et al., ICLR 2018).

It is shown windows as well as whole maps, and the finest octaves of either.
"""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganfit_nb.networks.equalized import EqualizedConv, EqualizedLinear, downsample, leaky_relu, upsample
from ganfit_nb.networks.progressive_generator import channels

LAST = 4  # side of the last feature maps
OCTAVE_GAINS = 200.0, 100.0  # amplify the finest octave and the next; their amplitude in skin is 0.006 of white
LEAST_CHANNELS = 16  # of any level: a window enters at a fine level, and is small
GROUP = 4  # images over which minibatch standard deviation is taken


def minibatch_stddev(x: Float[Tensor, "N H W C"]) -> Float[Tensor, "N H W D"]:
    """Appends one feature: how much the images of a group differ (Sec. 3). It betrays a generator that repeats
    itself."""
    groups = x.view(min(GROUP, len(x)), -1, *x.shape[1:])
    spread = (groups.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    spread = spread.repeat(len(groups)).view(-1, 1, 1, 1)
    return torch.cat([x, spread.expand(*x.shape[:3], 1)], dim=-1)


def discriminator_channels(resolution: int, width: int) -> int:
    """The number of features at a resolution: the generator's for this width, and LEAST_CHANNELS at least."""
    return max(LEAST_CHANNELS, channels(resolution, width))


def fine_octaves(image: Float[Tensor, "N H W C"]) -> list[Float[Tensor, "N H W C"]]:
    """The finest octave of an image and the next one, asinh(gain · octave).

    The outlines of the iris are forty times as strong as pores. asinh is linear for pores and logarithmic for outlines,
    and so keeps both within a small range.
    """
    half = downsample(image)
    coarse = upsample(half, "bilinear"), upsample(upsample(downsample(half), "bilinear"), "bilinear")
    octaves = (image - coarse[0], coarse[0] - coarse[1])
    return [torch.asinh(gain * octave) for gain, octave in zip(OCTAVE_GAINS, octaves, strict=True)]


def discriminator_input(image: Float[Tensor, "N H W 3"], mean: Float[Tensor, "H W 3"]) -> Float[Tensor, "N H W 12"]:
    """The image, the mean of the corpus at the same place, and the two finest octaves of the image.

    The mean tells where a window lies. The octaves make the detail of skin visible: without them, and with the
    generator held still, the discriminator's loss stayed at chance, 0.69; with them it fell to 0.38 in 80 steps.
    """
    return torch.cat([2.0 * image - 1.0, 2.0 * mean.expand_as(image) - 1.0, *fine_octaves(image)], dim=-1)


class DiscriminatorBlock(nn.Module):
    """One resolution: convolve twice, downsample. `from_rgb` makes the first features of an image that enters here."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.from_rgb = EqualizedLinear(12, inputs)
        self.first = EqualizedConv(inputs, inputs)
        self.second = EqualizedConv(inputs, outputs)

    def forward(self, x: Float[Tensor, "N H W I"]) -> Float[Tensor, "N h w O"]:
        """Features at half the resolution."""
        return downsample(leaky_relu(self.second(leaky_relu(self.first(x)))))


class Discriminator(nn.Module):
    """Turns images into logits, one each: high for real maps.

    A whole image runs through every level down to 4². A window enters at the level of its resolution and leaves where
    its features have 4² texels.
    """

    def __init__(self, resolution: int = 512, width: int = 2048) -> None:
        super().__init__()
        sides = [2 * LAST * 2**k for k in range((resolution // LAST).bit_length() - 1)]
        self.blocks = nn.ModuleDict(
            {
                str(side): DiscriminatorBlock(*(discriminator_channels(at, width) for at in (side, side // 2)))
                for side in sides
            }
        )
        deep = discriminator_channels(LAST, width)
        self.last = EqualizedConv(deep + 1, deep)
        self.hidden = EqualizedLinear(deep * LAST * LAST, deep)
        self.logit = EqualizedLinear(deep, 1, gain=1.0)

    def forward(
        self, image: Float[Tensor, "N H W 3"], mean: Float[Tensor, "H W 3"], resolution: int, alpha: float = 1.0
    ) -> Float[Tensor, " N"]:
        """The logits of images, or windows, of this resolution. `alpha` as in the generator."""
        shown = discriminator_input(image, mean)
        x = self._block(resolution)(self._from_rgb(shown, resolution))
        if alpha < 1.0:
            x = alpha * x + (1.0 - alpha) * self._from_rgb(downsample(shown), resolution // 2)
        while x.shape[1] > LAST:
            resolution //= 2
            x = self._block(resolution)(x)
        x = leaky_relu(self.last(minibatch_stddev(x)))
        return self.logit(leaky_relu(self.hidden(x.flatten(1))))[:, 0]

    def _block(self, resolution: int) -> DiscriminatorBlock:
        return cast(DiscriminatorBlock, self.blocks[str(resolution)])

    def _from_rgb(self, shown: Float[Tensor, "N H W 12"], resolution: int) -> Float[Tensor, "N H W C"]:
        """The first features of images that enter at this resolution."""
        return leaky_relu(self._block(resolution).from_rgb(shown))
