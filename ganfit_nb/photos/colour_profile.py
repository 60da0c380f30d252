"""ICC colour profiles: they say what the numbers of an image mean, and convert them to sRGB."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

MODES = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}  # Pillow's mode for the colour space of a profile
SAME = 3  # grey levels; a profile that changes every colour by at most this much is taken to be sRGB


class ColourProfile:
    """An ICC profile. The constructor raises any exception when Pillow or its colour engine cannot use the profile.

    mode: Pillow's mode of the images that it describes, "L", "RGB" or "CMYK". is_srgb: whether they are sRGB already.
    """

    def __init__(self, icc: bytes) -> None:
        profile = ImageCms.ImageCmsProfile(BytesIO(icc))
        self.mode = MODES[profile.profile.xcolor_space]
        self._transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), self.mode, "RGB")
        self.is_srgb = self.mode == "RGB" and self._changes_nothing()

    @classmethod
    @lru_cache(maxsize=8)  # the photos of a batch mostly have the same profile
    def read(cls, icc: bytes) -> ColourProfile:
        """The profile with these bytes; it is built once."""
        return cls(icc)

    def to_srgb(self, image: Image.Image) -> Image.Image:
        """Converts an image that has this profile's mode to sRGB."""
        return ImageCms.applyTransform(image, self._transform)  # type: ignore[return-value]

    def _changes_nothing(self) -> bool:
        levels = np.linspace(0, 255, 9).round().astype(np.uint8)
        colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(27, 27, 3)
        converted = np.asarray(self.to_srgb(Image.fromarray(colours)), np.int16)
        return int(np.abs(converted - colours).max()) <= SAME
