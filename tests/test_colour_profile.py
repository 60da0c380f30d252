"""Colour profiles, made here by hand, against the matrices and curves that they stand for."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from ganfit_nb.photos.colour_profile import ColourProfile
from ganfit_nb.photos.image_file import read_image

# XYZ of the primaries under D50, columns red, green, blue, as the ICC profiles of these spaces have them.
SRGB = np.array([[0.4360, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
DISPLAY_P3 = np.array([[0.5151, 0.2920, 0.1571], [0.2412, 0.6922, 0.0666], [-0.0011, 0.0419, 0.7841]])
ADOBE_RGB = np.array([[0.6097, 0.2053, 0.1492], [0.3111, 0.6257, 0.0632], [0.0195, 0.0609, 0.7446]])
D50 = (0.9642, 1.0, 0.8249)
UNUSABLE = "The photo's colour profile cannot be used; its colours are taken to be sRGB."


def profile(space: bytes, kind: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of version 2."""
    tags = {b"desc": text(b"test"), b"cprt": b"text\0\0\0\0none\0", b"wtpt": xyz(D50), **tags}
    table, body, offset = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s12s4s", 0, b"lcms", 0x02400000, kind, space, connection, bytes(12), b"acsp")
    header = (header + bytes(28) + struct.pack(">3i", *(round(v * 65536) for v in D50))).ljust(128, b"\0")
    whole = header + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def text(words: bytes) -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", len(words) + 1) + words + b"\0" + bytes(78)


def xyz(values: tuple[float, ...] | np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(v) * 65536) for v in values))


def curve(values: np.ndarray) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(f">I{len(values)}H", len(values), *(values * 65535).round().astype(int))


def rgb_profile(primaries: np.ndarray, tone: np.ndarray) -> bytes:
    columns = {name: xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries.T, strict=True)}
    return profile(b"RGB ", b"mntr", b"XYZ ", columns | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve(tone)))


def cmyk_profile() -> bytes:
    """Inks that are a* (magenta up, cyan down), b* (yellow) and no L* (black), in a table of two levels a colour."""
    corners = np.stack(np.meshgrid(*[[0.0, 1.0]] * 4, indexing="ij"), -1).reshape(16, 4)
    cyan, magenta, yellow, light = *corners[:, :3].T, 1 - corners[:, 3]
    lab = np.stack([255 * light, 128 + 60 * light * (magenta - cyan), 128 + 60 * light * yellow], -1)
    ramp = bytes(range(256))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    return profile(
        b"CMYK", b"prtr", b"Lab ", {b"A2B0": table + 4 * ramp + lab.round().astype(np.uint8).tobytes() + 3 * ramp}
    )


def srgb_curve(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def srgb_bytes(linear: np.ndarray) -> np.ndarray:
    linear = linear.clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


LEVELS = np.linspace(0, 1, 1024)
TONES = {"Display P3": srgb_curve(LEVELS), "Adobe RGB": LEVELS ** (563 / 256)}
PROFILES = {
    "Display P3": rgb_profile(DISPLAY_P3, TONES["Display P3"]),
    "Adobe RGB": rgb_profile(ADOBE_RGB, TONES["Adobe RGB"]),
}
COLOURS = np.random.default_rng(0).integers(60, 200, (40, 40, 3)).astype(np.uint8)


def saved(path: Path, pixels: np.ndarray, icc: bytes, mode: str | None = None) -> np.ndarray:
    Image.fromarray(pixels, mode).save(path, icc_profile=icc)
    return read_image(path)[0].numpy().astype(float)


@pytest.mark.parametrize(("name", "primaries"), [("Display P3", DISPLAY_P3), ("Adobe RGB", ADOBE_RGB)])
def test_wide_colours_become_srgb_by_their_matrix(tmp_path: Path, name: str, primaries: np.ndarray) -> None:
    read = saved(tmp_path / "photo.png", COLOURS, PROFILES[name])
    linear = np.interp(COLOURS / 255, LEVELS, TONES[name])
    expected = srgb_bytes(linear @ (np.linalg.inv(SRGB) @ primaries).T)
    inside = ((expected > 2) & (expected < 253)).all(-1)  # the rest is clipped
    assert inside.mean() > 0.6
    assert np.abs(read - expected)[inside].max() < 1.6
    assert np.abs(read - COLOURS).mean() > 3


def test_transparent_parts_stay_white_and_half_of_them_half(tmp_path: Path) -> None:
    rgba = np.dstack([COLOURS, np.full((40, 40), 255, np.uint8)])
    rgba[:20, :, 3] = 0
    opaque = saved(tmp_path / "opaque.png", COLOURS, PROFILES["Display P3"])
    read = saved(tmp_path / "photo.png", rgba, PROFILES["Display P3"])
    assert (read[:20] == 255).all()
    assert (read[20:] == opaque[20:]).all()
    rgba[..., 3] = 128
    half = saved(tmp_path / "half.png", rgba, PROFILES["Display P3"])
    assert np.abs(half - (opaque + 255) / 2).max() < 1.5


@pytest.mark.parametrize("depth", ["L", "LA", "16-bit"])
def test_grey_with_a_profile_has_its_curve_changed(tmp_path: Path, depth: str) -> None:
    icc = profile(b"GRAY", b"mntr", b"XYZ ", {b"kTRC": curve(LEVELS)})  # linear light
    grey = COLOURS[..., 0]
    image = Image.fromarray(grey * np.uint16(257)) if depth == "16-bit" else Image.fromarray(grey).convert(depth)
    image.save(tmp_path / "photo.png", icc_profile=icc)
    read = read_image(tmp_path / "photo.png")[0].numpy()
    assert np.abs(read - srgb_bytes(grey / 255)[..., None]).max() < 1.6


def test_grey_with_a_profile_of_colours_is_read_as_these(tmp_path: Path) -> None:
    grey = COLOURS[..., :1]
    read = saved(tmp_path / "grey.png", grey[..., 0], PROFILES["Adobe RGB"])
    assert np.abs(read - srgb_bytes(np.interp(grey / 255, LEVELS, TONES["Adobe RGB"]))).max() < 1.6


def test_inks_become_srgb_by_their_table(tmp_path: Path) -> None:
    inks = np.zeros((40, 40, 4), np.uint8)
    inks[:, 10:20, 3] = 255
    inks[:, 20:30, 1] = 255
    inks[:, 30:, 2] = 255
    Image.fromarray(inks, "CMYK").save(tmp_path / "photo.tif", icc_profile=cmyk_profile())
    read = read_image(tmp_path / "photo.tif")[0].numpy()[20]
    # From CIE Lab (D50) by hand: paper, black, L* 100 a* 60 and L* 100 b* 60, both clipped.
    assert read[5].min() >= 253
    assert read[15].max() <= 2
    assert read[25, 0] == 255
    assert 150 < read[25, 1] < 215
    assert read[35, 0] > 250
    assert 60 < read[35, 2] < 150


def test_srgb_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    by_hand = rgb_profile(SRGB, srgb_curve(LEVELS))
    assert ColourProfile.read(own).is_srgb
    assert ColourProfile.read(by_hand).is_srgb
    assert not ColourProfile.read(PROFILES["Display P3"]).is_srgb
    monkeypatch.setattr(ColourProfile, "to_srgb", None)
    assert (saved(tmp_path / "photo.png", COLOURS, own) == COLOURS).all()


@pytest.mark.parametrize("kind", ["nonsense", "cut off", "of inks", "of grey", "of no known space"])
def test_an_unusable_profile_is_told_and_ignored(tmp_path: Path, kind: str) -> None:
    p3 = PROFILES["Display P3"]
    icc = {
        "nonsense": b"no profile at all",
        "cut off": p3[:200],
        "of inks": cmyk_profile(),
        "of grey": profile(b"GRAY", b"mntr", b"XYZ ", {b"kTRC": curve(LEVELS)}),
        "of no known space": p3[:16] + b"4CLR" + p3[20:],
    }[kind]
    Image.fromarray(COLOURS).save(tmp_path / "photo.png", icc_profile=icc)
    pixels, notes = read_image(tmp_path / "photo.png")
    assert (pixels.numpy() == COLOURS).all()
    assert notes == (UNUSABLE,)


def test_a_large_photo_is_converted_after_it_is_reduced(tmp_path: Path) -> None:
    wide = np.tile(COLOURS[:1, :1], (40, 5000, 1))
    Image.fromarray(wide).save(tmp_path / "photo.jpg", icc_profile=PROFILES["Adobe RGB"], quality=95)
    read = read_image(tmp_path / "photo.jpg")[0].numpy()
    assert read.shape == (33, 4096, 3)
    small = saved(tmp_path / "small.png", wide[:, :40], PROFILES["Adobe RGB"])
    assert np.abs(read.astype(float) - small[0, 0]).max() < 4
