"""Image files to RGB, whatever their format, depth or orientation."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ganfit_nb.errors import GanfitError

MAXIMUM_SIDE = 16_384  # px; beyond it a file is refused
MAXIMUM_PIXELS = 100_000_000  # after a JPEG's reduced decoding; 300 MB as RGB
WORKING_SIDE = 4096  # px; larger photos are reduced to it
MINIMUM_SIDE = 32  # px


def read_image(path: Path) -> tuple[UInt8[Tensor, "H W 3"], tuple[str, ...]]:
    """The file's first picture as upright RGB, transparent parts on white, and notes on what was done to it.

    JPEG, PNG, WebP and whatever else Pillow reads; 8 and 16 bits, greyscale, palette, RGBA, CMYK; EXIF rotation.
    GanfitError when there is no such file, it is no image, damaged, too large or too small.
    """
    if not path.exists():
        raise GanfitError(f"There is no file {path}.")
    if path.is_dir():
        raise GanfitError(f"{path} is a directory; name an image file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on large or slightly odd files
            with Image.open(path) as file:
                width, height = file.size
                return _decode(file, path), _reduction_note(width, height)
    except UnidentifiedImageError as error:
        raise GanfitError(f"{path} is not an image; use a JPEG, PNG or WebP file.") from error
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except PermissionError as error:
        raise GanfitError(f"{path} cannot be read; check its permissions.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise GanfitError(f"{path} is damaged or incomplete; save or download it again.") from error


def _decode(file: Image.Image, path: Path) -> UInt8[Tensor, "H W 3"]:
    width, height = file.size
    if min(width, height) < MINIMUM_SIDE:
        raise GanfitError(f"{path} has only {width}×{height} pixels; use a photo of at least {MINIMUM_SIDE} a side.")
    if max(file.size) > MAXIMUM_SIDE:
        raise _too_large(path)
    if max(file.size) > WORKING_SIDE:
        file.draft(None, (file.width * WORKING_SIDE // max(file.size), file.height * WORKING_SIDE // max(file.size)))
    if file.width * file.height > MAXIMUM_PIXELS:
        raise _too_large(path)
    image = _eight_bit(ImageOps.exif_transpose(file))
    if max(image.size) > WORKING_SIDE:
        image.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return torch.from_numpy(np.array(image.convert("RGB")))


def _eight_bit(image: Image.Image) -> Image.Image:
    """Any mode as L, RGB, CMYK or RGBA. Pillow's own conversion of 16-bit grey clips at 255 instead of scaling."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image, np.float64) / 257).round().clip(0, 255).astype(np.uint8))
    if image.mode == "F":
        raise GanfitError("Floating-point images are not supported; save the photo as PNG or JPEG.")
    transparent = image.has_transparency_data
    return image.convert("RGBA") if transparent else image.convert("RGB")


def _too_large(path: Path) -> GanfitError:
    return GanfitError(
        f"{path} is too large; reduce it to at most {MAXIMUM_SIDE} pixels a side, {MAXIMUM_PIXELS // 10**6} megapixels."
    )


def _reduction_note(width: int, height: int) -> tuple[str, ...]:
    if max(width, height) <= WORKING_SIDE:
        return ()
    return (f"The photo ({width}×{height}) was reduced to {WORKING_SIDE} pixels on its longer side.",)
