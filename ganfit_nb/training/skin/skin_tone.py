"""Skin colour as optical density D = -log(linear RGB). Pigments multiply light, so their densities add (Beer–Lambert).

Tsumura et al. 2003 separate skin images into melanin and haemoglobin along two fixed directions of this space. The
corpus is made along the same directions: light skin becomes dark, or pale skin ruddy, and keeps its pores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

# Density per unit of pigment in R, G, B. Melanin absorbs more towards blue. Its slope is that between the light and the
# dark ones of the fourteen MakeHuman skins.
MELANIN = np.array([1.0, 1.28, 1.40], np.float32)
# Haemoglobin absorbs green most, blue less, and red hardly.
HAEMOGLOBIN = np.array([0.12, 1.0, 0.80], np.float32)
# The density of a skin with hardly any melanin: sRGB (232, 194, 172), a little paler than the palest of the fourteen.
PALE = np.array([0.21, 0.61, 0.88], np.float32)
MAX_MELANIN = 2.35


def srgb_to_linear(image: Float[ndarray, ...]) -> Float[ndarray, ...]:
    """Converts display values in [0, 1] to linear light (IEC 61966-2-1)."""
    return np.where(image <= 0.04045, image / 12.92, ((np.maximum(image, 0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: Float[ndarray, ...]) -> Float[ndarray, ...]:
    """Converts linear light to display values in [0, 1] (IEC 61966-2-1)."""
    light = np.clip(light, 0.0, 1.0)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)


def density(image: Float[ndarray, "... 3"]) -> Float[ndarray, "... 3"]:
    """The optical density of display values in [0, 1]. Black counts as 1/255, so that its density is finite."""
    return -np.log(np.maximum(srgb_to_linear(image), srgb_to_linear(np.array(1 / 255, np.float32)))).astype(np.float32)


def display(optical_density: Float[ndarray, "... 3"]) -> Float[ndarray, "... 3"]:
    """The display values in [0, 1] of an optical density. This is the inverse of `density`."""
    return linear_to_srgb(np.exp(-optical_density)).astype(np.float32)


@dataclass(frozen=True)
class SkinTone:
    """Amounts of pigment. Melanin 0 is the palest human skin, and MAX_MELANIN the darkest."""

    melanin: float
    haemoglobin: float
    yellow: float

    @property
    def density(self) -> Float[ndarray, " 3"]:
        """Optical density of the bare skin in R, G, B."""
        return (
            PALE
            + self.melanin * MELANIN
            + self.haemoglobin * HAEMOGLOBIN
            + self.yellow * np.array([-0.03, 0.0, 0.15], np.float32)
        ).astype(np.float32)

    @property
    def darkness(self) -> float:
        """0 for the palest, 1 for the darkest skin."""
        return self.melanin / MAX_MELANIN


def draw_tone(rng: np.random.Generator) -> SkinTone:
    """A random tone from the whole range of human skin. Melanin is nearly uniform, with a few more light tones."""
    melanin = MAX_MELANIN * rng.beta(0.95, 1.2)
    return SkinTone(
        melanin=float(melanin),
        haemoglobin=float(np.clip(rng.normal(0.03, 0.08), -0.12, 0.3)),
        yellow=float(np.clip(rng.normal(-0.1, 0.35) + 0.3 * np.sin(np.pi * melanin / MAX_MELANIN), -0.8, 1.0)),
    )
