"""The generator of a progressive GAN in UV space, G: R^512 → (512, 512, 3) of Eq. 5 (Karras et al., ICLR 2018).

It differs from a generator of photographs, because UV maps are aligned texel by texel:

* The picture is a sum over resolutions, I_r = enlarge(I_{r/2}) + RGB_r, and each partial sum is an output. It begins
  with a linear one at 64², the corpus' principal components, whose distribution z ~ N(0, I) is given first
  (marginals.py). So z counts in standard deviations, G(0) is an average person, latents need no sphere to live on, and
  every level only adds what a linear model cannot.
* Every level owns *detail maps*: images that always lie at the same place. Pores, lid lines and hairs have fixed places
  here, and a narrow network that need not spell them out of noise is small and fast. Some, P_r, show what the codes
  place, by gates a_r that are linear in them and smooth; both are given in closed form (placed_detail.py). The others,
  D_r, are learnt, and gated texel by texel by the features of z:
  RGB_r = Σ_k a_rk ⊙ P_rk + V (gate(x_r) ⊙ D_r) + W x_r.
* No texel leaves the colours, relative to its lightness, that the corpus has there: what is learnt of the greyness of
  black brows would else turn blue where a fit asks for more of it.
* A *window* of a fine picture can be computed alone, texel for texel what the whole picture holds there.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganfit_nb.colour import RGB_FROM_YCC
from ganfit_nb.networks.equalized import EqualizedConv, EqualizedLinear, enlarge, pixel_norm, rectify
from ganfit_nb.networks.marginals import Marginals

SEED = 8  # side of the features that z is turned into
COARSE = 64  # side of the first picture; its colour differences have a quarter of it
MARGIN = 3  # cells of COARSE that a window computes around itself: what its convolutions reach
WINDOW = 128  # side of a window, texels
NEARLY_BLACK = 0.02
DETAILS, PLACED = 16, 6  # most learnt and placed detail maps of a level


class Window(NamedTuple):
    """The upper left corner of a WINDOW² part of a picture, in cells of a COARSE² grid."""

    top: int
    left: int

    def box(self, resolution: int) -> tuple[slice, slice]:
        """The rows and columns of a picture of this resolution."""
        cell = resolution // COARSE
        return tuple(slice(at * cell, at * cell + WINDOW) for at in self)  # type: ignore[return-value]


def channels(resolution: int, width: int) -> int:
    """Features at a resolution: `width` / resolution, and no more below COARSE."""
    return width // max(resolution, COARSE)


def relative_colour(image: Float[Tensor, "N h w 3"]) -> tuple[Float[Tensor, "N h w 1"], Float[Tensor, "N h w 2"]]:
    """Lightness, and the two colour differences in parts of it, or of nearly black."""
    lightness, colour = (image @ torch.linalg.inv(RGB_FROM_YCC).to(image).T).split([1, 2], dim=-1)
    return lightness, colour / lightness.clamp_min(NEARLY_BLACK)


class Block(nn.Module):
    """Twice the side: convolve, enlarge, convolve."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = EqualizedConv(inputs, outputs)
        self.second = EqualizedConv(outputs, outputs)

    def forward(self, x: Float[Tensor, "N h w I"]) -> Float[Tensor, "N H W O"]:
        """Features of unit mean square at every texel."""
        return pixel_norm(rectify(self.second(enlarge(rectify(self.first(x)), "nearest"))))


def hats(side: int) -> Float[Tensor, "g side"]:
    """The share of each of SEED nodes in the texels of a row, interpolated linearly. Has values where the rest has
    none (the device meta), since they are stored nowhere, and an eye there takes torch two seconds of imports."""
    return F.interpolate(torch.eye(SEED, device="cpu")[None], size=side, mode="linear", align_corners=False)[0]


class Picture(nn.Module):
    """What one resolution adds to the picture. It begins silent, but for what its placed maps are given."""

    placed: Tensor
    placed_gates: Tensor
    hats: Tensor

    def __init__(self, resolution: int, features: int, latent: int, details: int, placed: int) -> None:
        super().__init__()
        self.register_buffer("placed", torch.zeros(resolution, resolution, placed))
        self.register_buffer("placed_gates", torch.zeros(1 + latent, SEED, SEED, placed))
        self.register_buffer("hats", hats(resolution), persistent=False)
        self.rgb = EqualizedLinear(features, 3)
        self.gate = EqualizedLinear(features, details, gain=1.0)
        self.detail = nn.Parameter(torch.randn(resolution, resolution, details))
        self.detail_rgb = EqualizedLinear(details, 3)
        for layer in (self.rgb, self.detail_rgb):
            nn.init.zeros_(layer.weight)

    def forward(
        self, x: Float[Tensor, "N H W C"], codes: Float[Tensor, "N latent"], box: tuple[slice, slice]
    ) -> Float[Tensor, "N H W 3"]:
        """Display values to add. `box` is where the features lie in the whole picture."""
        return self._placed(codes, box) + self.detail_rgb(self.gate(x) * self.detail[box]) + self.rgb(x)

    def _placed(self, codes: Float[Tensor, "N latent"], box: tuple[slice, slice]) -> Float[Tensor, "N H W 1"]:
        nodes = torch.einsum("nl,lpqk->npqk", F.pad(codes, (1, 0), value=1.0), self.placed_gates)
        gates = torch.einsum("npqk,pr,qc->nrck", nodes, *(self.hats[:, part] for part in box))
        return (gates * self.placed[box]).sum(dim=3, keepdim=True)


class Generator(nn.Module):
    """z (N, latent) to pictures (N, R, R, 3) in display values, not clamped.

    resolution  side of the largest picture, a power of two of at least 64
    latent      length of z
    width       features times resolution: every fine level costs about the same
    details     learnt detail maps times resolution; no level has more than DETAILS
    placed      placed ones likewise, and PLACED; COARSE needs none, there the linear picture places everything
    """

    mean: Tensor
    luma: Tensor
    chroma: Tensor
    tints: Tensor

    def __init__(
        self, resolution: int = 512, latent: int = 512, width: int = 4096, details: int = 1536, placed: int = 2048
    ) -> None:
        super().__init__()
        self.resolution, self.latent, self.width, self.details, self.placed = resolution, latent, width, details, placed
        self.register_buffer("mean", torch.full((COARSE, COARSE, 3), 0.5))
        self.register_buffer("luma", torch.zeros(latent, 1, COARSE, COARSE))
        self.register_buffer("chroma", torch.zeros(latent, 2, COARSE // 4, COARSE // 4))
        self.register_buffer("tints", torch.tensor([-1e4, 1e4]).view(2, 1, 1, 1).repeat(1, 2, COARSE, COARSE))
        self.marginals = Marginals(latent)
        self.dense = EqualizedLinear(latent, SEED * SEED * (channels(SEED, width) // 2))
        self.seed = EqualizedConv(channels(SEED, width) // 2, channels(SEED, width))
        coarse, sides = channels(COARSE, width), [COARSE * 2**k for k in range((resolution // COARSE).bit_length())]
        self.trunk = nn.Sequential(Block(coarse, coarse), Block(coarse, coarse))
        self.sight = EqualizedLinear(3, coarse)
        self.blocks = nn.ModuleDict(
            {str(side): Block(channels(side // 2, width), channels(side, width)) for side in sides}
        )
        self.pictures = nn.ModuleDict()
        for side in sides:
            counts = min(DETAILS, details // side), min(PLACED, placed // side) if side > COARSE else 0
            self.pictures[str(side)] = Picture(side, channels(side, width), latent, *counts)

    def forward(
        self,
        z: Float[Tensor, "N latent"],
        resolution: int | None = None,
        fade: float = 1.0,
        window: Window | None = None,
    ) -> Float[Tensor, "N H W 3"]:
        """The picture at a resolution (the largest by default), or the window of it.

        `fade` is how far the finest level has been faded in while it is grown: 0 is the enlarged picture of the level
        before.
        """
        resolution = resolution or self.resolution
        codes = self.marginals(z)
        image, x = self.linear(codes), self._features(codes)
        top, left = (0, 0)
        for name, block in self.blocks.items():
            side = int(name)
            x = block(x)
            if side == COARSE:
                x = pixel_norm(x + rectify(self.sight(4.0 * image - 2.0)))  # what z looks like says where to refine
            else:
                image, top, left = enlarge(image, "bilinear"), 2 * top, 2 * left
            box = slice(top, top + image.shape[1]), slice(left, left + image.shape[2])
            image = image + (fade if side == resolution else 1.0) * self.pictures[name](x, codes, box)
            if side == resolution:
                break
            if side == COARSE and window is not None:
                x, image, top, left = _crop(x, image, window, resolution)
        rows, columns = window.box(resolution) if window else (slice(0, resolution), slice(0, resolution))
        image = image[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        return self._tinted(image, resolution, rows, columns)

    def linear(self, codes: Float[Tensor, "N latent"]) -> Float[Tensor, "N h w 3"]:
        """The first picture, linear in the codes, before its level refines it."""
        with torch.autocast(codes.device.type, enabled=False):  # the picture keeps full precision, features need not
            luma = torch.einsum("nl,lchw->nchw", codes, self.luma)
            chroma = torch.einsum("nl,lchw->nchw", codes, self.chroma)
            chroma = F.interpolate(chroma, size=(COARSE, COARSE), mode="bilinear", align_corners=False)
            ycc = torch.cat([luma, chroma], dim=1).permute(0, 2, 3, 1)
            return self.mean + ycc @ RGB_FROM_YCC.to(codes).T

    def _tinted(
        self, image: Float[Tensor, "N H W 3"], resolution: int, rows: slice, columns: slice
    ) -> Float[Tensor, "N H W 3"]:
        """The part of a picture with every texel's colour, relative to its lightness, as the corpus has it there."""
        with torch.autocast(image.device.type, enabled=False):
            bounds = F.interpolate(self.tints, size=(resolution, resolution), mode="bilinear", align_corners=False)
            lightness, tint = relative_colour(image.float())
            tint = tint.clamp(*bounds[:, :, rows, columns].permute(0, 2, 3, 1))
            colour = tint * lightness.clamp_min(NEARLY_BLACK)
            return torch.cat([lightness, colour], dim=-1) @ RGB_FROM_YCC.to(image).T

    def _features(self, codes: Float[Tensor, "N latent"]) -> Float[Tensor, "N h w C"]:
        """Features at half of COARSE."""
        x = rectify(self.dense(codes)).view(len(codes), SEED, SEED, -1)
        return self.trunk(pixel_norm(rectify(self.seed(pixel_norm(x)))))


def _crop(
    x: Float[Tensor, "N h w C"], image: Float[Tensor, "N h w 3"], window: Window, resolution: int
) -> tuple[Tensor, Tensor, int, int]:
    """Features and picture at COARSE where the window lies, with a margin that ends where the map does; and their
    place."""
    reach = WINDOW * COARSE // resolution + MARGIN
    rows, columns = (slice(max(0, at - MARGIN), at + reach) for at in window)
    return x[:, rows, columns], image[:, rows, columns], rows.start, columns.start
