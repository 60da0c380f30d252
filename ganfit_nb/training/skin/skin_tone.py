"""Skin colour as optical density: pigments multiply light, so in D = -log(linear RGB) they add (Beer–Lambert).

Tsumura et al. 2003 separate skin images into melanin and haemoglobin along two fixed directions of this space; the
corpus maker walks along the same directions, so that a light skin can become a dark one and a pale one ruddy without
losing its pores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

# Density per unit of pigment in R, G, B. Melanin absorbs ever more towards blue; the slope is that between the light
# and the dark ones of the fourteen MakeHuman skins.
MELANIN = np.array([1.0, 1.28, 1.40], np.float32)
# Haemoglobin takes green most, blue less and red hardly.
HAEMOGLOBIN = np.array([0.12, 1.0, 0.80], np.float32)
# The density of a skin with hardly any melanin: sRGB (232, 194, 172), a little paler than the palest of the fourteen.
PALE = np.array([0.21, 0.61, 0.88], np.float32)
MAX_MELANIN = 2.35


def srgb_to_linear(image: Float[ndarray, ...]) -> Float[ndarray, ...]:
    """Display values in [0, 1] to linear light (IEC 61966-2-1)."""
    return np.where(image <= 0.04045, image / 12.92, ((np.maximum(image, 0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: Float[ndarray, ...]) -> Float[ndarray, ...]:
    """Linear light to display values in [0, 1] (IEC 61966-2-1)."""
    light = np.clip(light, 0.0, 1.0)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)


def density(image: Float[ndarray, "... 3"]) -> Float[ndarray, "... 3"]:
    """Optical density of display values in [0, 1]; black counts as 1/255, so that it stays finite."""
    return -np.log(np.maximum(srgb_to_linear(image), srgb_to_linear(np.array(1 / 255, np.float32)))).astype(np.float32)


def display(optical_density: Float[ndarray, "... 3"]) -> Float[ndarray, "... 3"]:
    """Display values in [0, 1] of an optical density: the inverse of `density`."""
    return linear_to_srgb(np.exp(-optical_density)).astype(np.float32)


@dataclass(frozen=True)
class SkinTone:
    """Amounts of pigment; melanin 0 is the palest skin there is, MAX_MELANIN the darkest."""

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
    """A tone from the whole range of human skin: melanin nearly uniform, a little denser where it is light."""
    melanin = MAX_MELANIN * rng.beta(0.95, 1.2)
    return SkinTone(
        melanin=float(melanin),
        haemoglobin=float(np.clip(rng.normal(0.03, 0.08), -0.12, 0.3)),
        yellow=float(np.clip(rng.normal(-0.1, 0.35) + 0.3 * np.sin(np.pi * melanin / MAX_MELANIN), -0.8, 1.0)),
    )
