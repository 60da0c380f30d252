"""Reads image files as upright sRGB, whatever their format, depth, colours or orientation.

Only the formats of a list are read. Pillow knows more, but some of them start other programs (EPS) and some are no
photos. The memory that decoding will take is computed before a file is decoded. The decoded picture is then converted
strip by strip, so that no second full copy is made.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.reading import reading
from ganfit_nb.photos.colour_profile import ColourProfile

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF")
MAXIMUM_FILE = 1 << 30  # bytes of a file
MAXIMUM_DECODED = 660 << 20  # bytes of memory that decoding may take
MAXIMUM_SIDE = 16_384  # px
WORKING_SIDE = 4096  # px; larger photos are reduced to it
MINIMUM_SIDE = 32  # px
STRIP = 64  # rows that are converted together

BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}  # bytes of a pixel in Pillow, by mode; else 4
DECODER_BYTES = {"WEBP": 11, "AVIF": 8, "HEIF": 8, "TIFF": 3}  # further bytes of a pixel, in the decoder's own memory
PIXELS_NOT_READ = ("F", "LAB")

Pixels = UInt8[np.ndarray, "H W 3"]
UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {  # turns a picture upright, by the number of its EXIF orientation
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}


def read_image(path: Path) -> tuple[UInt8[Tensor, "H W 3"], tuple[str, ...]]:
    """The file's first picture as upright sRGB, and notes on what was done to it. Transparent parts become white.

    Formats are JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP and GIF, with 8 or 16 bits, in greyscale, palette, RGB, RGBA or
    CMYK. Colour profiles and EXIF rotation are applied. Raises GanfitError when there is no such file, and when it is
    no image, damaged, too large or too small.
    """
    _register_heif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about large or slightly odd files
        with reading(path, "is not an image that can be read; save the photo as JPEG or PNG.", MAXIMUM_FILE):
            file = _open(path)
        with file, reading(path, "is damaged or incomplete; save or download it again."):
            return upright_srgb(file, str(path))


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise GanfitError(f"{path} is too large; reduce it to at most {MAXIMUM_SIDE} pixels a side.") from error
    except UnidentifiedImageError:  # damaged EXIF data in a JPEG make Pillow fail when it looks for the resolution
        return Image.open(BytesIO(_with_blank_exif(path.read_bytes())), formats=["JPEG"])


def _with_blank_exif(jpeg: bytes) -> bytes:
    start = jpeg.index(b"Exif\0\0") + 6
    length = int.from_bytes(jpeg[start - 8 : start - 6], "big") - 8  # the length counts itself and the name, too
    return jpeg[:start] + bytes(length) + jpeg[start + length :]


@cache
def _register_heif() -> None:
    from pi_heif import register_heif_opener

    register_heif_opener()


def upright_srgb(image: Image.Image, source: str) -> tuple[UInt8[Tensor, "H W 3"], tuple[str, ...]]:
    """Converts a Pillow image, whose pixels may not be loaded yet, to what `read_image` returns.

    Raises GanfitError when it is too large or too small. When it is damaged, Pillow's own exceptions pass.
    """
    width, height = image.size
    if min(width, height) < MINIMUM_SIDE:
        raise GanfitError(f"{source} has only {width}×{height} pixels; use a photo of at least {MINIMUM_SIDE} a side.")
    if image.mode in PIXELS_NOT_READ:
        raise GanfitError(f"{source} has floating-point or Lab pixels; save the photo as PNG or JPEG.")
    if max(image.size) > WORKING_SIDE and isinstance(image, ImageFile.ImageFile):
        image.draft(None, (width * WORKING_SIDE // max(image.size), height * WORKING_SIDE // max(image.size)))
    needed = _bytes_to_decode(image, width * height)
    if max(width, height) > MAXIMUM_SIDE or needed > MAXIMUM_DECODED:
        raise GanfitError(
            f"{source} is too large: {width}×{height} pixels, {needed >> 20} MB to decode; reduce it to at most "
            f"{MAXIMUM_SIDE} pixels a side and {MAXIMUM_DECODED >> 20} MB."
        )
    image.load()
    orientation, orientation_note = _orientation(image)
    profile, profile_note = _profile(image)
    upright = UPRIGHT[orientation](_rgb(image, profile))
    notes = (_reduction_note(width, height), orientation_note, profile_note)
    return torch.from_numpy(np.ascontiguousarray(upright)), tuple(note for note in notes if note)


def _bytes_to_decode(image: Image.Image, pixels: int) -> int:
    """The memory that Pillow and the decoder allocate. `pixels` is the full count, before a JPEG is decoded smaller."""
    decoded = image.width * image.height * (BYTES.get(image.mode, 4) + DECODER_BYTES.get(image.format or "", 0))
    coefficients = 2 * pixels * len(image.getbands()) if image.info.get("progressive") else 0
    return decoded + coefficients


def _orientation(image: Image.Image) -> tuple[int, str]:
    """The EXIF orientation, 1 to 8, and a note when it cannot be read."""
    value = _readable(lambda: image.getexif().get(ExifTags.Base.Orientation, 1) or 1)  # 0 means unknown
    if value in UPRIGHT:
        return int(value), ""
    return 1, "The photo's orientation (EXIF) cannot be read; it is taken to be upright."


def _profile(image: Image.Image) -> tuple[ColourProfile | None, str]:
    """The colour profile if it has to be applied, else None, and a note if it cannot be applied."""
    icc = image.info.get("icc_profile")
    if not icc:
        return None, ""
    profile = _readable(lambda: ColourProfile.read(icc))
    if profile is None or not (profile.mode in (image.mode, "RGB") or (profile.mode == "L" and _is_grey(image.mode))):
        return None, "The photo's colour profile cannot be used; its colours are taken to be sRGB."
    return (None if profile.is_srgb else profile), ""


def _readable(read: Callable[[], Any]) -> Any:
    """The result of `read`, or None when it raises an exception.

    Malformed metadata fail in more ways than can be listed, and they are no reason to refuse the picture.
    """
    try:
        return read()
    except Exception:
        return None


def _is_grey(mode: str) -> bool:
    return mode in ("1", "LA") or mode.startswith("I")


def _rgb(image: Image.Image, profile: ColourProfile | None) -> UInt8[np.ndarray, "H W 3"]:
    """The picture as RGB bytes, with at most WORKING_SIDE pixels a side."""
    reduction = max(1.0, max(image.size) / WORKING_SIDE)
    width, height = (max(1, round(side / reduction)) for side in image.size)
    pixels = np.empty((height, width, 3), np.uint8)
    mode = profile.mode if profile else ("CMYK" if image.mode == "CMYK" else "RGB")
    transparent = image.has_transparency_data
    for top in range(0, height, STRIP):
        rows = min(STRIP, height - top)
        first, last = top * image.height / height, (top + rows) * image.height / height
        strip = image.crop((0, math.floor(first), image.width, math.ceil(last)))
        strip = _eight_bit(strip, mode, transparent)
        if reduction > 1:
            box = (0, first - math.floor(first), image.width, last - math.floor(first))
            strip = strip.resize((width, rows), Image.Resampling.BOX, box)
        pixels[top : top + rows] = np.asarray(_on_white(strip, mode, profile))
    return pixels


def _eight_bit(image: Image.Image, mode: str, transparent: bool) -> Image.Image:
    """The image with 8 bits a channel: in LA or RGBA if it is transparent, else in `mode`.

    16-bit grey is scaled here, because Pillow's own conversion clips it at 255.
    """
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image, np.float32) / 257).round().clip(0, 255).astype(np.uint8))
    elif transparent:
        return image.convert("LA" if mode == "L" else "RGBA")
    return image.convert(mode)


def _on_white(image: Image.Image, mode: str, profile: ColourProfile | None) -> Image.Image:
    """The image as sRGB, with a white background behind transparent parts."""
    colours = image.convert(mode)
    rgb = profile.to_srgb(colours) if profile else colours.convert("RGB")
    if image.mode not in ("LA", "RGBA"):
        return rgb
    return Image.composite(rgb, Image.new("RGB", image.size, "white"), image.getchannel("A"))


def _reduction_note(width: int, height: int) -> str:
    if max(width, height) <= WORKING_SIDE:
        return ""
    return f"The photo ({width}×{height}) was reduced to {WORKING_SIDE} pixels on its longer side."
