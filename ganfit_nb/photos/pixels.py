"""Converts the pictures that callers have, tensors, arrays and PIL images of any kind, to RGB bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.photos.image_file import upright_srgb

FORMS = (
    "a torch tensor, a NumPy array or a PIL image: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), bytes or floats in [0, 1]"
)
HIGHLIGHT = 8.0  # floats from 0 to 255 exceed this; the highlights of a rendering do not
SHADOW = -0.01  # floats from -1 to 1 fall below this; rounding errors do not
SIDES = 32, 16_384  # px


def rgb_bytes(image: Any) -> UInt8[Tensor, "H W 3"]:
    """The picture as RGB bytes. Transparent parts become white.

    Raises GanfitError when it is none of FORMS, or when its values are no colours.
    """
    if isinstance(image, Image.Image):
        return _of_pillow(image)
    if isinstance(image, Tensor):
        image = (image.float() if image.is_floating_point() else image).detach().cpu().numpy()
    if not isinstance(image, ndarray) or image.ndim not in (2, 3):
        raise GanfitError(f"A picture must be {FORMS}.")
    values = image if image.ndim == 3 else image[..., None]
    if values.shape[2] not in (1, 3, 4):
        raise GanfitError(f"A picture of shape {image.shape} has no known channels; give {FORMS}.")
    if min(values.shape[:2]) < SIDES[0] or max(values.shape[:2]) > SIDES[1]:
        height, width = values.shape[:2]
        raise GanfitError(f"A picture must have {SIDES[0]} to {SIDES[1]} pixels a side, not {width}×{height}.")
    return torch.from_numpy(_on_white(_as_bytes(values)))


def _of_pillow(image: Image.Image) -> UInt8[Tensor, "H W 3"]:
    """Converts a PIL image as if it were read from a file: upright, sRGB, 16 bits scaled."""
    try:
        return upright_srgb(image, "The picture")[0]
    except GanfitError:
        raise
    except Exception as error:  # `reading` does the same for a file; Pillow decodes late, so it fails here
        raise GanfitError(f"The picture cannot be decoded or is of an odd kind ({image.mode}); give RGB.") from error


def _as_bytes(values: ndarray) -> UInt8[ndarray, "H W C"]:
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind != "f":
        raise GanfitError(f"A picture of {values.dtype} may mean anything; give bytes, or floats in [0, 1].")
    if not np.isfinite(values).all():
        raise GanfitError("The picture has values that are not finite; give floats in [0, 1].")
    if values.min() < SHADOW:
        raise GanfitError(f"The picture has values down to {values.min():g}; give floats in [0, 1], or bytes.")
    if values.max() > HIGHLIGHT:
        raise GanfitError(f"The picture has values up to {values.max():g}; divide them by 255, or give bytes.")
    return (values.astype(np.float32) * 255).round().clip(0, 255).astype(np.uint8)


def _on_white(values: UInt8[ndarray, "H W C"]) -> UInt8[ndarray, "H W 3"]:
    if values.shape[2] == 1:
        values = values.repeat(3, axis=2)
    elif values.shape[2] == 4:
        white = Image.new("RGBA", values.shape[1::-1], "white")
        values = np.asarray(Image.alpha_composite(white, Image.fromarray(values)).convert("RGB"))
    return np.array(values)
