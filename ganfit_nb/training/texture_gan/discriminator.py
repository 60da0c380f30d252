"""The discriminator of a progressive GAN in UV space: the generator's mirror image (Karras et al., ICLR 2018)."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganfit_nb.networks.equalized import EqualizedConv, EqualizedLinear, enlarge, halve, rectify
from ganfit_nb.networks.progressive_generator import channels

LAST = 4  # side at which the verdict is given
OCTAVES = 200.0, 100.0  # by which the finest octave and the next are amplified: in skin they are 0.006 of white
FEWEST = 16  # features: windows are small, however fine the level they enter at
GROUP = 4  # pictures that minibatch standard deviation looks at together


def minibatch_stddev(x: Float[Tensor, "N H W C"]) -> Float[Tensor, "N H W D"]:
    """Adds a feature: how much the pictures of a group differ (Sec. 3). A generator that repeats itself gives itself
    away."""
    groups = x.view(min(GROUP, len(x)), -1, *x.shape[1:])
    spread = (groups.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    spread = spread.repeat(len(groups)).view(-1, 1, 1, 1)
    return torch.cat([x, spread.expand(*x.shape[:3], 1)], dim=-1)


def features(resolution: int, width: int) -> int:
    """Features at a resolution: as many as the generator's for this width, but no fewer than FEWEST."""
    return max(FEWEST, channels(resolution, width))


def fine_octaves(image: Float[Tensor, "N H W C"]) -> list[Float[Tensor, "N H W C"]]:
    """What a picture holds beyond half of its resolution, and what that holds beyond a quarter; amplified. Their
    logarithm, as it were, keeps pores and the outlines of the iris, forty times as strong, both in range."""
    half = halve(image)
    coarse = enlarge(half, "bilinear"), enlarge(enlarge(halve(half), "bilinear"), "bilinear")
    octaves = (image - coarse[0], coarse[0] - coarse[1])
    return [torch.asinh(gain * octave) for gain, octave in zip(OCTAVES, octaves, strict=True)]


def sights(image: Float[Tensor, "N H W 3"], mean: Float[Tensor, "H W 3"]) -> Float[Tensor, "N H W 12"]:
    """What the discriminator is shown. Beside the whole picture skin's detail is too small to be noticed: with the
    generator held still a discriminator without the octaves stays at chance."""
    return torch.cat([2.0 * image - 1.0, 2.0 * mean.expand_as(image) - 1.0, *fine_octaves(image)], dim=-1)


class DiscriminatorBlock(nn.Module):
    """One resolution: convolve twice, halve."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.rgb = EqualizedLinear(12, inputs)
        self.first = EqualizedConv(inputs, inputs)
        self.second = EqualizedConv(inputs, outputs)

    def forward(self, x: Float[Tensor, "N H W I"]) -> Float[Tensor, "N h w O"]:
        """Features at half the side."""
        return halve(rectify(self.second(rectify(self.first(x)))))


class Discriminator(nn.Module):
    """Pictures to a verdict each.

    It is shown the picture, the mean of the corpus at the same place, which tells where a window lies, and the two
    finest octaves by themselves (`sights`).

    A whole picture runs through every level down to 4²; a window stops at 4² wherever that is.
    """

    def __init__(self, resolution: int = 512, width: int = 2048) -> None:
        super().__init__()
        sides = [2 * LAST * 2**k for k in range((resolution // LAST).bit_length() - 1)]
        self.blocks = nn.ModuleDict(
            {str(side): DiscriminatorBlock(features(side, width), features(side // 2, width)) for side in sides}
        )
        deep = features(LAST, width)
        self.last = EqualizedConv(deep + 1, deep)
        self.hidden = EqualizedLinear(deep * LAST * LAST, deep)
        self.verdict = EqualizedLinear(deep, 1, gain=1.0)

    def forward(
        self, image: Float[Tensor, "N H W 3"], mean: Float[Tensor, "H W 3"], resolution: int, fade: float = 1.0
    ) -> Float[Tensor, " N"]:
        """How real each picture of this resolution looks. `fade` as in the generator."""
        picture = sights(image, mean)
        x = self._block(resolution)(self._look(picture, resolution))
        if fade < 1.0:
            x = fade * x + (1.0 - fade) * self._look(halve(picture), resolution // 2)
        while x.shape[1] > LAST:
            resolution //= 2
            x = self._block(resolution)(x)
        x = rectify(self.last(minibatch_stddev(x)))
        return self.verdict(rectify(self.hidden(x.flatten(1))))[:, 0]

    def _block(self, resolution: int) -> DiscriminatorBlock:
        return cast(DiscriminatorBlock, self.blocks[str(resolution)])

    def _look(self, picture: Float[Tensor, "N H W 12"], resolution: int) -> Float[Tensor, "N H W C"]:
        """The first features of a picture that enters at this resolution."""
        return rectify(self._block(resolution).rgb(picture))
