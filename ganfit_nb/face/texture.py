"""Texture models make an albedo map from p_t: the interface that they share, and the linear model of Eq. 1."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int8, UInt8
from torch import Tensor, nn

from ganfit_nb.assets import shipped
from ganfit_nb.colour import rgb_from_ycc
from ganfit_nb.errors import GanfitError
from ganfit_nb.face.mouth import with_mouth
from ganfit_nb.files.reading import reading
from ganfit_nb.files.tensor_files import MAXIMUM_BYTES, load_tensors

SHAPES = {  # of the tensors in the file: the first modes as bytes ("fine"), the others as packed nibbles ("rest")
    "mean": "int H H 3",
    "luma_fine": "int * Y",
    "luma_rest": "int * y",
    "luma_scale": "float K",
    "chroma_fine": "int * C",
    "chroma_rest": "int * c",
    "chroma_scale": "float K",
}


COARSEST = 64  # texels, the side of the coarsest maps


@runtime_checkable
class TextureModel(Protocol):
    """A texture prior, as a fit needs it."""

    dim: int

    def __call__(self, p_t: Float[Tensor, "*n t"]) -> Float[Tensor, "*n H W 3"]:
        """The albedo map of p_t ~ N(0, I), of one person or several."""
        ...

    def at(self, size: int) -> TextureModel:
        """The same model with maps of at least `size` texels a side, or with its finest maps.

        `map_side` gives the side, so that all models have maps of the same sizes and can be compared.
        """
        ...


@runtime_checkable
class LocallyLinear(TextureModel, Protocol):
    """A texture model that knows its derivative. The first guess of the skin needs it (`fitting/first_skin.py`)."""

    def modes(self, p_t: Float[Tensor, " t"]) -> Float[Tensor, "t h w 3"]:
        """The derivative of a coarse albedo map with respect to each coefficient, at p_t."""
        ...


def map_side(size: int, finest: int) -> int:
    """The side of the smallest maps of at least `size` texels a side: a power of two, from COARSEST to `finest`."""
    power = 1 << (size - 1).bit_length()
    return min(max(power, COARSEST), finest)


class PcaTexture(nn.Module):
    """Linear texture model of Eq. 1, T(p_t) = m_t + U_t p_t, with p_t in standard deviations of each mode.

    The mean has the full resolution. Each mode has its luma at 7/16 of the side, and two colour differences at a
    quarter of that. This is enough, because the detail of skin is in its luma, and its colour varies slowly.
    """

    mean: Tensor
    luma: Tensor
    chroma: Tensor

    def __init__(
        self, mean: Float[Tensor, "H H 3"], luma: Float[Tensor, "t h h"], chroma: Float[Tensor, "t 2 c c"]
    ) -> None:
        super().__init__()
        self.dim = luma.shape[0]
        self.register_buffer("mean", mean)
        self.register_buffer("luma", luma)
        self.register_buffer("chroma", chroma)
        self.finest: PcaTexture | None = None  # the model that this one is a coarser form of

    @property
    def resolution(self) -> int:
        """Side of the maps."""
        return self.mean.shape[0]

    def forward(self, p_t: Float[Tensor, "*n t"]) -> Float[Tensor, "*n H H 3"]:
        """The albedo map, display values in [0, 1]. Raises GanfitError when p_t has another length than `dim`."""
        require_length(p_t, self.dim)
        flat = p_t.reshape(-1, self.dim)
        luma = (flat @ self.luma.flatten(1)).view(-1, 1, *self.luma.shape[1:])
        chroma = (flat @ self.chroma.flatten(1)).view(-1, *self.chroma.shape[1:])
        maps = with_mouth((self.mean + rgb_of(luma, chroma, self.resolution)).clamp(0.0, 1.0))
        return maps.view(*p_t.shape[:-1], *maps.shape[1:])

    def modes(self, p_t: Float[Tensor, " t"]) -> Float[Tensor, "t h w 3"]:
        """U_t at COARSEST² texels. It does not depend on p_t."""
        coarse = self.at(COARSEST)
        return rgb_of(coarse.luma[:, None], coarse.chroma, COARSEST)

    def at(self, size: int) -> PcaTexture:
        """The same model with maps of at least `size` texels a side, or with its finest maps.

        Mean and modes are averaged over the texels that become one. Modes that are no finer than the maps are shared.
        """
        finest = self.finest or self
        side = map_side(size, finest.resolution)
        if side in (self.resolution, finest.resolution):
            return self if side == self.resolution else finest
        mean = _reduce(finest.mean.permute(2, 0, 1)[None], side)[0].permute(1, 2, 0)
        coarse = PcaTexture(mean, _reduce(finest.luma[:, None], side)[:, 0], _reduce(finest.chroma, side))
        coarse.finest = finest
        return coarse

    @classmethod
    def load(cls, path: Path | str) -> PcaTexture:
        """Reads a file of `ganfit_nb.training.skin.pca_texture`. Raises GanfitError when it is another one."""
        path = Path(path)
        with reading(path, "holds no PCA texture; build one with ganfit_nb.training.skin.pca_texture.", MAXIMUM_BYTES):
            stored = load_tensors(path, SHAPES)
            luma, chroma = (
                torch.cat([stored[f"{name}_fine"], unpack_nibbles(stored[f"{name}_rest"])]).float()
                * stored[f"{name}_scale"][:, None]
                for name in ("luma", "chroma")
            )
            count, side_y, side_c = len(luma), math.isqrt(luma.shape[1]), math.isqrt(chroma.shape[1] // 2)
            mean = stored["mean"].float() / 255.0
            return cls(mean, luma.view(count, side_y, side_y), chroma.view(count, 2, side_c, side_c))

    @classmethod
    def default(cls) -> PcaTexture:
        """The model that ships with the package."""
        with shipped("texture_pca.safetensors") as path:
            return cls.load(path)


def rgb_of(luma: Float[Tensor, "N 1 h h"], chroma: Float[Tensor, "N 2 c c"], size: int) -> Float[Tensor, "N H H 3"]:
    """RGB at `size`² texels, from luma and colour differences, which may have other resolutions."""
    fields = [F.interpolate(field, size=(size, size), mode="bilinear", align_corners=False) for field in (luma, chroma)]
    return rgb_from_ycc(torch.cat(fields, dim=1).permute(0, 2, 3, 1))


def require_length(p_t: Float[Tensor, "*n t"], dim: int) -> None:
    """Raises GanfitError unless p_t has `dim` numbers."""
    if p_t.shape[-1] != dim:
        raise GanfitError(f"This texture model takes {dim} coefficients, not {tuple(p_t.shape)}.")


def _reduce(field: Float[Tensor, "N C h h"], size: int) -> Float[Tensor, "N C H H"]:
    """The field, averaged over areas down to `size`. A field that is no larger stays as it is."""
    return field if field.shape[-1] <= size else F.interpolate(field, (size, size), mode="area")


def pack_nibbles(values: Int8[Tensor, "... W"]) -> UInt8[Tensor, "... w"]:
    """Packs integers from −8 to 7, two in a byte along the last axis."""
    low, high = values[..., ::2].to(torch.int16) + 8, values[..., 1::2].to(torch.int16) + 8
    return (low + 16 * high).to(torch.uint8)


def unpack_nibbles(packed: UInt8[Tensor, "... w"]) -> Int8[Tensor, "... W"]:
    """The integers that `pack_nibbles` packed."""
    return (torch.stack([packed % 16, packed // 16], dim=-1).to(torch.int8) - 8).flatten(-2)
