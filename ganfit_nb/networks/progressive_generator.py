"""The generator of a progressive GAN in UV space, G: R^512 → (512, 512, 3) of Eq. 5 (Karras et al., ICLR 2018).

UV maps are aligned texel by texel, and photographs are not. Four things follow from that (docs/texture_gan.md):

* The image is a sum over resolutions, I_r = upsample(I_{r/2}) + RGB_r, and every partial sum is an output. I_64 begins
  as a linear model, the principal components of the corpus, and the distribution of its codes is given as well
  (marginals.py). So z is in standard deviations, G(0) is an average person, and a level only has to add what a linear
  model cannot.
* Every level owns *detail maps*: images whose texels never move. Pores, lid lines and hairs have fixed places in a UV
  map, and a network that need not make them from noise can be narrow. *Placed* detail maps P_k show what the codes
  determine; their gates a_k are linear in the codes and smooth over the map, and both are given in closed form
  (placed_detail.py). *Learnt* detail maps D_r are gated at every texel by the features x_r:
  RGB_r = Σ_k a_k ⊙ P_k + V (gate(x_r) ⊙ D_r) + W x_r.
* *Tint bounds* keep the colour of every texel, relative to its lightness, within what the corpus has at that texel.
  Black brows are grey in the corpus; without the bounds a fit that asks for blacker ones gets blue ones.
* A *window* of a fine image can be computed alone. It equals the same part of the whole image.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganfit_nb.colour import rgb_from_ycc, ycc_from_rgb
from ganfit_nb.networks.equalized import EqualizedConv, EqualizedLinear, leaky_relu, pixel_norm, upsample
from ganfit_nb.networks.marginals import Marginals

BASE = 8  # side of the first feature maps, and of the grid that the gates of placed detail are given on
COARSE = 64  # side of the first image; its chroma has a quarter of that side
WINDOW = 128  # side of a window, in texels
MARGIN = 3  # cells of COARSE computed around a window: what its convolutions reach
NEARLY_BLACK = 0.02  # lightness below which a tint is no longer divided by it
LEARNT, PLACED = 16, 6  # the most learnt and placed detail maps of a level


class Window(NamedTuple):
    """The upper left corner of a WINDOW² part of an image, in cells of a COARSE² grid."""

    top: int
    left: int

    def box(self, resolution: int) -> tuple[slice, slice]:
        """The rows and columns of the window in an image of this resolution."""
        cell = resolution // COARSE
        return tuple(slice(at * cell, at * cell + WINDOW) for at in self)  # type: ignore[return-value]


def channels(resolution: int, width: int) -> int:
    """The number of features at a resolution: `width` / resolution, and a constant below COARSE."""
    return width // max(resolution, COARSE)


def lightness_and_tint(image: Float[Tensor, "N h w 3"]) -> tuple[Float[Tensor, "N h w 1"], Float[Tensor, "N h w 2"]]:
    """Luma, and the two chroma components divided by it. Luma below NEARLY_BLACK divides as NEARLY_BLACK."""
    luma, chroma = ycc_from_rgb(image).split([1, 2], dim=-1)
    return luma, chroma / luma.clamp_min(NEARLY_BLACK)


def hat_functions(side: int) -> Float[Tensor, "g side"]:
    """The share of each of BASE nodes in the texels of a row under linear interpolation.

    The result always lies on the CPU, although a generator may be built on the device meta: no file holds it. It is
    made of `eye` on the CPU because on meta that costs two seconds of imports.
    """
    return F.interpolate(torch.eye(BASE, device="cpu")[None], size=side, mode="linear", align_corners=False)[0]


class GeneratorBlock(nn.Module):
    """Doubles the resolution of features: convolve, upsample, convolve."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = EqualizedConv(inputs, outputs)
        self.second = EqualizedConv(outputs, outputs)

    def forward(self, x: Float[Tensor, "N h w I"]) -> Float[Tensor, "N H W O"]:
        """Features of unit mean square at every texel."""
        return pixel_norm(leaky_relu(self.second(upsample(leaky_relu(self.first(x)), "nearest"))))


class ToRGB(nn.Module):
    """RGB_r, what one resolution adds to the image: placed detail, learnt detail, and a 1×1 convolution of features.

    The two learnt terms begin at zero.

    placed        P_k, the placed detail maps
    placed_gates  a_k on a BASE² grid, at code zero and per unit of each code
    hats          interpolates the grid
    """

    placed: Tensor
    placed_gates: Tensor
    hats: Tensor

    def __init__(self, resolution: int, features: int, latent: int, learnt: int, placed: int) -> None:
        super().__init__()
        self.register_buffer("placed", torch.zeros(resolution, resolution, placed))
        self.register_buffer("placed_gates", torch.zeros(1 + latent, BASE, BASE, placed))
        self.register_buffer("hats", hat_functions(resolution), persistent=False)
        self.rgb = EqualizedLinear(features, 3)
        self.gate = EqualizedLinear(features, learnt, gain=1.0)
        self.detail = nn.Parameter(torch.randn(resolution, resolution, learnt))
        self.detail_rgb = EqualizedLinear(learnt, 3)
        for layer in (self.rgb, self.detail_rgb):
            nn.init.zeros_(layer.weight)

    def forward(
        self, x: Float[Tensor, "N H W C"], codes: Float[Tensor, "N latent"], box: tuple[slice, slice]
    ) -> Float[Tensor, "N H W 3"]:
        """Display values to add. `box` is the part of the whole image that the features cover."""
        return self._placed_detail(codes, box) + self.detail_rgb(self.gate(x) * self.detail[box]) + self.rgb(x)

    def _placed_detail(self, codes: Float[Tensor, "N latent"], box: tuple[slice, slice]) -> Float[Tensor, "N H W 1"]:
        nodes = torch.einsum("nl,lpqk->npqk", F.pad(codes, (1, 0), value=1.0), self.placed_gates)
        gates = torch.einsum("npqk,pr,qc->nrck", nodes, *(self.hats[:, part] for part in box))
        return (gates * self.placed[box]).sum(dim=3, keepdim=True)


class Generator(nn.Module):
    """Turns latents z (N, latent) into images (N, R, R, 3) of display values, which are not clamped.

    resolution  side of the largest image, a power of two of at least 64
    latent      length of z
    width       features times resolution: all fine levels cost about the same
    details     learnt detail maps times resolution; no level has more than LEARNT
    placed      placed detail maps times resolution; no level has more than PLACED, and COARSE has none, because the
                linear image already places everything there

    The buffers are given in closed form (training_maps.py): `mean`, `luma` and `chroma` are the linear model, and
    `tints` are the lowest and the highest tint of every texel.
    """

    mean: Tensor
    luma: Tensor
    chroma: Tensor
    tints: Tensor

    def __init__(
        self, resolution: int = 512, latent: int = 512, width: int = 4096, details: int = 1536, placed: int = 2048
    ) -> None:
        super().__init__()  # the names of attributes are those of the tensors in texture_gan.safetensors
        self.resolution, self.latent, self.width, self.details, self.placed = resolution, latent, width, details, placed
        self.register_buffer("mean", torch.full((COARSE, COARSE, 3), 0.5))
        self.register_buffer("luma", torch.zeros(latent, 1, COARSE, COARSE))
        self.register_buffer("chroma", torch.zeros(latent, 2, COARSE // 4, COARSE // 4))
        self.register_buffer("tints", torch.tensor([-1e4, 1e4]).view(2, 1, 1, 1).repeat(1, 2, COARSE, COARSE))
        self.marginals = Marginals(latent)
        self.dense = EqualizedLinear(latent, BASE * BASE * (channels(BASE, width) // 2))
        self.seed = EqualizedConv(channels(BASE, width) // 2, channels(BASE, width))
        coarse, sides = channels(COARSE, width), [COARSE * 2**k for k in range((resolution // COARSE).bit_length())]
        self.trunk = nn.Sequential(GeneratorBlock(coarse, coarse), GeneratorBlock(coarse, coarse))
        self.sight = EqualizedLinear(3, coarse)
        self.blocks = nn.ModuleDict(
            {str(side): GeneratorBlock(channels(side // 2, width), channels(side, width)) for side in sides}
        )
        self.pictures = nn.ModuleDict()
        for side in sides:
            counts = min(LEARNT, details // side), min(PLACED, placed // side) if side > COARSE else 0
            self.pictures[str(side)] = ToRGB(side, channels(side, width), latent, *counts)

    def forward(
        self,
        z: Float[Tensor, "N latent"],
        resolution: int | None = None,
        alpha: float = 1.0,
        window: Window | None = None,
    ) -> Float[Tensor, "N H W 3"]:
        """The image at a resolution (the largest by default), or a window of it.

        `alpha` is the weight of the finest level while it is faded in: 0 gives the upsampled image of the level before.
        """
        resolution = resolution or self.resolution
        codes = self.marginals(z)
        image, x = self.linear(codes), self._features(codes)
        top, left = (0, 0)
        for name, block in self.blocks.items():
            side = int(name)
            x = block(x)
            if side == COARSE:
                x = pixel_norm(x + leaky_relu(self.sight(4.0 * image - 2.0)))  # features see the linear image
            else:
                image, top, left = upsample(image, "bilinear"), 2 * top, 2 * left
            box = slice(top, top + image.shape[1]), slice(left, left + image.shape[2])
            image = image + (alpha if side == resolution else 1.0) * self.pictures[name](x, codes, box)
            if side == resolution:
                break
            if side == COARSE and window is not None:
                x, image, top, left = _crop(x, image, window, resolution)
        rows, columns = window.box(resolution) if window else (slice(0, resolution), slice(0, resolution))
        image = image[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        return self._bound_tints(image, resolution, rows, columns)

    def linear(self, codes: Float[Tensor, "N latent"]) -> Float[Tensor, "N h w 3"]:
        """The linear image at COARSE, before its level refines it."""
        with torch.autocast(codes.device.type, enabled=False):  # images need full precision, features do not
            luma = torch.einsum("nl,lchw->nchw", codes, self.luma)
            chroma = torch.einsum("nl,lchw->nchw", codes, self.chroma)
            chroma = F.interpolate(chroma, size=(COARSE, COARSE), mode="bilinear", align_corners=False)
            ycc = torch.cat([luma, chroma], dim=1).permute(0, 2, 3, 1)
            return self.mean + rgb_from_ycc(ycc)

    def _bound_tints(
        self, image: Float[Tensor, "N H W 3"], resolution: int, rows: slice, columns: slice
    ) -> Float[Tensor, "N H W 3"]:
        """The rows and columns of an image, with every tint clamped to the bounds of its texel."""
        with torch.autocast(image.device.type, enabled=False):
            bounds = F.interpolate(self.tints, size=(resolution, resolution), mode="bilinear", align_corners=False)
            luma, tint = lightness_and_tint(image.float())
            tint = tint.clamp(*bounds[:, :, rows, columns].permute(0, 2, 3, 1))
            chroma = tint * luma.clamp_min(NEARLY_BLACK)
            return rgb_from_ycc(torch.cat([luma, chroma], dim=-1))

    def _features(self, codes: Float[Tensor, "N latent"]) -> Float[Tensor, "N h w C"]:
        """Features at half of COARSE."""
        x = leaky_relu(self.dense(codes)).view(len(codes), BASE, BASE, -1)
        return self.trunk(pixel_norm(leaky_relu(self.seed(pixel_norm(x)))))


def _crop(
    x: Float[Tensor, "N h w C"], image: Float[Tensor, "N h w 3"], window: Window, resolution: int
) -> tuple[Tensor, Tensor, int, int]:
    """The part of features and image at COARSE that a window needs, margin included, and its first row and column."""
    reach = WINDOW * COARSE // resolution + MARGIN
    rows, columns = (slice(max(0, at - MARGIN), at + reach) for at in window)
    return x[:, rows, columns], image[:, rows, columns], rows.start, columns.start
