"""Measures a fit while it runs, by three numbers in which courses and variants can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.fitting.losses import pixel_distance
from ganfit_nb.networks.identity import IdentityNetwork, aligned_crop
from ganfit_nb.photos.photo import Photo
from ganfit_widgets.photo_view import FittedPhoto


@dataclass(frozen=True)
class Measures:
    """Three measures of a fitted face, which a fit may or may not minimise. `print` gives them in words.

    identity   Euclidean distance of dlib's descriptors of photo and rendering; below 0.6 is the same person
    landmarks  mean error of the 68, divided by the distance between the outer eye corners
    pixel      L_pix (Eq. 10)
    """

    identity: float
    landmarks: float
    pixel: float

    def __str__(self) -> str:
        return (
            f"identity distance {self.identity:.2f} (same person below 0.6) · "
            f"landmark error {100 * self.landmarks:.1f} % of the eyes' distance · pixels {self.pixel:.3f}"
        )


@dataclass(frozen=True)
class PhotoJudge:
    """Measures what was fitted to one photo; what depends on the photo alone is computed once."""

    photo: Photo

    @torch.no_grad()
    def measure(self, fitted: FittedPhoto) -> Measures:
        """Of one step, as it is rendered at the photo's size."""
        error = self.photo.landmark_error(fitted.landmarks)
        identity = (self._embedding(fitted.rendering.clamp(0, 1), fitted.landmarks) - self._photo_embedding).norm()
        pixel = pixel_distance(self.photo.image, fitted.rendering, fitted.weight)
        return Measures(float(identity), error, float(pixel))

    @cached_property
    def _photo_embedding(self) -> Float[Tensor, " D"]:
        with torch.no_grad():
            return self._embedding(self.photo.image, self.photo.landmarks)

    def _embedding(self, image: Float[Tensor, "S S 3"], landmarks: Float[Tensor, "68 2"]) -> Float[Tensor, " D"]:
        crop = aligned_crop(image.permute(2, 0, 1), landmarks)
        return IdentityNetwork.default().features(crop[None]).embedding[0]
