"""ICC colour profiles: what the numbers of an image mean, and how they become sRGB."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

MODES = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}  # of Pillow, by the profile's colour space
SAME = 3  # grey levels; a profile that changes no colour by more is taken for sRGB itself


class ColourProfile:
    """An ICC profile. Any exception when Pillow or its colour engine cannot use it.

    mode: of the images it describes, "L", "RGB" or "CMYK". is_srgb: whether they already are sRGB.
    """

    def __init__(self, icc: bytes) -> None:
        profile = ImageCms.ImageCmsProfile(BytesIO(icc))
        self.mode = MODES[profile.profile.xcolor_space]
        self._transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), self.mode, "RGB")
        self.is_srgb = self.mode == "RGB" and self._changes_nothing()

    @classmethod
    @lru_cache(maxsize=8)  # the photos of a batch mostly have one
    def read(cls, icc: bytes) -> ColourProfile:
        """The profile, from its bytes."""
        return cls(icc)

    def to_srgb(self, image: Image.Image) -> Image.Image:
        """An image of this profile's mode, as sRGB."""
        return ImageCms.applyTransform(image, self._transform)  # type: ignore[return-value]

    def _changes_nothing(self) -> bool:
        levels = np.linspace(0, 255, 9).round().astype(np.uint8)
        colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(27, 27, 3)
        converted = np.asarray(self.to_srgb(Image.fromarray(colours)), np.int16)
        return int(np.abs(converted - colours).max()) <= SAME
