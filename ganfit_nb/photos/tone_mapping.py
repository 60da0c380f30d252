"""Converts pictures of high dynamic range (ITU-R BT.2100: PQ and HLG, with the colours of BT.2020) to sRGB.

Phones film in this range. Without the conversion such pictures look pale and grey.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array

REFERENCE_WHITE = 203.0  # cd/m²: a white page in HDR (ITU-R BT.2408)
PEAK = 1000.0  # cd/m²: the brightest light of HLG, and of nearly all PQ pictures; it becomes sRGB's white
SHOULDER = 0.75  # share of sRGB's linear range; tones below this stay as they are
BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)  # for linear light (ITU-R BT.2087)


def sdr(signal: Float[Array, "H W 3"], transfer: Literal["pq", "hlg"]) -> UInt8[Array, "H W 3"]:
    """sRGB bytes of BT.2020 signal values in [0, 1]."""
    light = pq_light(signal) if transfer == "pq" else hlg_light(signal)
    linear = light @ (BT2020_TO_BT709.T / np.float32(REFERENCE_WHITE))
    return (255 * srgb_signal(rolled_off(linear)) + 0.5).astype(np.uint8)


def pq_light(signal: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Light in cd/m² of perceptually quantised values (SMPTE ST 2084)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = np.clip(signal, 0, 1) ** (1 / m2)
    return 10_000.0 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)


def hlg_light(signal: Float[Array, "*s 3"]) -> Float[Array, "*s 3"]:
    """Light in cd/m² of hybrid log-gamma values on a display of PEAK (BT.2100: inverse OETF, then OOTF)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = np.clip(signal, 0, 1)
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593], scene.dtype)
    return PEAK * scene * np.maximum(luminance, 1e-6)[..., None] ** 0.2


def rolled_off(linear: Float[Array, "*s 3"]) -> Float[Array, "*s 3"]:
    """Compresses highlights into [0, 1]. All channels are scaled by the largest one's factor, so that hues stay."""
    brightest = np.maximum(linear.max(axis=-1, keepdims=True), 1e-6)
    room, reach = 1 - SHOULDER, PEAK / REFERENCE_WHITE - SHOULDER
    over = np.maximum(brightest - SHOULDER, 0)
    pressed = SHOULDER + room * np.log1p(over * 4) / np.log1p(reach * 4)
    return np.clip(linear * np.where(brightest > SHOULDER, pressed / brightest, 1), 0, 1)


def srgb_signal(linear: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """sRGB's curve (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)
