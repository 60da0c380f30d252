"""Image files: which formats are opened, malformed metadata, and what decoding may take."""

from __future__ import annotations

import os
import random
import struct
import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from ganfit_nb.errors import GanfitError
from ganfit_nb.photos.image_file import MAXIMUM_DECODED, read_image

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8))
ORIENTATION, RESOLUTION, UNIT = 0x0112, 0x011A, 0x0128
ASCII, SHORT, LONG, RATIONAL, FLOAT = 2, 3, 4, 5, 11


def exif_of(*entries: tuple[int, int, int, bytes]) -> bytes:
    """EXIF from (tag, type, count, four bytes), whatever they say."""
    rows = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + rows + bytes(4)


def short(value: int) -> bytes:
    return struct.pack("<HH", value, 0)


MALFORMED = {
    "out of range": exif_of((ORIENTATION, SHORT, 1, short(300))),
    "text": exif_of((ORIENTATION, ASCII, 4, b"abc\0")),
    "a ratio without a place": exif_of((ORIENTATION, RATIONAL, 1, struct.pack("<I", 4_000_000_000))),
    "a ratio over zero": exif_of((ORIENTATION, RATIONAL, 1, struct.pack("<I", 26))) + struct.pack("<II", 6, 0),
    "not a number": exif_of((ORIENTATION, FLOAT, 1, struct.pack("<f", float("nan")))),
    "a huge count": exif_of((ORIENTATION, SHORT, 4_000_000_000, short(6))),
    "no header": b"Exif\0\0MMxx" + bytes(20),
    "cut off": exif_of((ORIENTATION, SHORT, 1, short(6)))[:17],
    "a resolution that is empty": exif_of((RESOLUTION, ASCII, 1, bytes(4)), (UNIT, SHORT, 1, short(2))),
    "a directory far away": b"Exif\0\0II*\0" + struct.pack("<I", 4_000_000_000),
}


def one_sentence(path: Path) -> str:
    with pytest.raises(GanfitError) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- formats ---------------------------------------------------------------------------------------------------------


def test_postscript_that_is_called_a_photo_starts_no_program(tmp_path: Path) -> None:
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "photo.jpg").write_bytes(eps)
    assert "is not an image that can be read" in one_sentence(tmp_path / "photo.jpg")


@pytest.mark.parametrize("extension", ["dds", "tga", "ppm", "ico", "pcx", "jp2"])
def test_formats_that_no_photo_has_are_refused(tmp_path: Path, extension: str) -> None:
    NOISE.save(tmp_path / f"photo.{extension}")
    (tmp_path / f"photo.{extension}").rename(tmp_path / "photo.jpg")
    assert "is not an image that can be read" in one_sentence(tmp_path / "photo.jpg")


@pytest.mark.parametrize("extension", ["avif", "mpo", "jfif"])
def test_what_phones_write_is_read(tmp_path: Path, extension: str) -> None:
    smooth = Image.linear_gradient("L").convert("RGB")
    smooth.save(tmp_path / f"photo.{extension}", quality=95)
    pixels, notes = read_image(tmp_path / f"photo.{extension}")
    assert np.abs(pixels.numpy().astype(int) - np.asarray(smooth)).mean() < 2
    assert notes == ()


def test_heic_is_read_upright() -> None:
    """Part of the astronaut's portrait, stored turned."""
    pixels, notes = read_image(Path(__file__).parent / "data" / "turned.heic")
    with Image.open(Path(__file__).parents[1] / "ganfit_nb" / "assets" / "astronaut.png") as portrait:
        expected = portrait.convert("RGB").crop((130, 10, 330, 210)).resize((128, 128), Image.Resampling.LANCZOS)
    assert np.abs(pixels.numpy().astype(int) - np.asarray(expected)).mean() < 6
    assert notes == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "photo.jpg")
    assert "is a pipe or a device" in one_sentence(tmp_path / "photo.jpg")


# --- metadata --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", ["jpg", "png", "webp"])
@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_exif_leaves_the_photo_upright(tmp_path: Path, extension: str, kind: str) -> None:
    path = tmp_path / f"photo.{extension}"
    NOISE.save(path, exif=MALFORMED[kind], **({"lossless": True} if extension == "webp" else {}))
    pixels, notes = read_image(path)
    assert pixels.shape == (64, 48, 3)
    if extension != "jpg":
        assert (pixels.numpy() == np.asarray(NOISE)).all()
    told = ("The photo's orientation (EXIF) cannot be read; it is taken to be upright.",)
    assert notes in ((), told)  # Pillow passes over some entries as if they were not there
    assert notes == told or kind not in ("out of range", "text", "a ratio over zero", "not a number")


@pytest.mark.parametrize(("kind", "value"), [(ASCII, "abc"), (SHORT, 300), (FLOAT, float("nan")), (LONG, 0)])
def test_a_malformed_orientation_of_a_tiff_leaves_it_upright(tmp_path: Path, kind: int, value: str | float) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags.tagtype[ORIENTATION] = kind
    tags[ORIENTATION] = value
    NOISE.save(tmp_path / "photo.tif", tiffinfo=tags)
    pixels, notes = read_image(tmp_path / "photo.tif")
    assert (pixels.numpy() == np.asarray(NOISE)).all()
    assert len(notes) == (value != 0)


def test_no_damage_to_exif_costs_the_photo(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[UNIT], exif[0x010F] = 6, 2, "Maker"
    exif[RESOLUTION] = TiffImagePlugin.IFDRational(72, 1)
    stored = BytesIO()
    NOISE.save(stored, "JPEG", exif=exif)
    whole, chance = stored.getvalue(), random.Random(0)
    start, length = whole.index(b"Exif\0\0") + 6, len(exif.tobytes()) - 6
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 2, 4, 8))):
            damaged[start + chance.randrange(length)] = chance.randrange(256)
        (tmp_path / "photo.jpg").write_bytes(damaged)
        pixels, _ = read_image(tmp_path / "photo.jpg")
        assert sorted(pixels.shape) == [3, 48, 64]


# --- size ------------------------------------------------------------------------------------------------------------


def write_header(path: Path, width: int, height: int, depth: int, colours: int) -> Path:
    """A PNG that says how large it is, and no more."""
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    content = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


def test_what_decoding_would_take_decides_not_the_pixels(tmp_path: Path) -> None:
    too_much = MAXIMUM_DECODED // 4 // 16_000 + 1
    for colours, message in ((2, "too large: 16000"), (0, "damaged or incomplete")):  # RGB; grey, a quarter
        path = write_header(tmp_path / "photo.png", 16_000, too_much, 8, colours)
        assert message in one_sentence(path)


def test_a_photo_is_converted_without_copies_of_it(tmp_path: Path) -> None:
    """NumPy's part of it, which was 30 bytes a pixel for 16-bit grey."""
    levels = np.tile(np.arange(5000, dtype=np.uint16) * 13, (4000, 1))
    Image.fromarray(levels).save(tmp_path / "grey.png", compress_level=1)
    tracemalloc.start()
    pixels, _ = read_image(tmp_path / "grey.png")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert pixels.shape == (3277, 4096, 3)
    assert peak < pixels.numel() + 16e6


@pytest.mark.parametrize("mode", ["RGB", "L", "I;16", "RGBA", "CMYK"])
def test_reduction_by_strips_leaves_no_seams(tmp_path: Path, mode: str) -> None:
    """A ramp stays a ramp: every row is as far from the one before as any."""
    ramp = np.tile(np.linspace(0, 255, 5001)[:, None], (1, 60)).round().astype(np.uint8)
    image = Image.fromarray(ramp * np.uint16(257)) if mode == "I;16" else Image.fromarray(ramp).convert(mode)
    image.save(tmp_path / "ramp.tif")
    rows = read_image(tmp_path / "ramp.tif")[0].numpy()[:, 20].astype(int)
    assert len(rows) == 4096
    expected = np.linspace(0, 255, 4096)[:, None]
    assert np.abs(rows - expected).max() < (3 if mode == "CMYK" else 1.6)
