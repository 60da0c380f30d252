"""Measures a fit while it runs, by a few numbers in which courses and variants can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from ganfit_nb.fitting.losses import pixel_distance
from ganfit_nb.networks.face_reidentification import DIFFERENT_PEOPLE, SAME_PERSON
from ganfit_nb.photos.photo import Photo
from ganfit_nb.results.likeness import Likeness
from ganfit_widgets.photo_view import FittedPhoto


@dataclass(frozen=True)
class Measures:
    """Measures of a fitted face. `print` gives them in words. A fit may minimise all but the similarity.

    identity    Euclidean distance of dlib's descriptors of photo and rendering; below 0.6 is the same person
    landmarks   mean error of the 68, divided by the distance between the outer eye corners
    pixel       L_pix (Eq. 10)
    similarity  cosine similarity of photo and rendering to a judge that no fit has seen; None where it was not asked,
                or found no face
    """

    identity: float
    landmarks: float
    pixel: float
    similarity: float | None = None

    def __str__(self) -> str:
        words = (
            f"identity distance {self.identity:.2f} (same person below 0.6) · "
            f"landmark error {100 * self.landmarks:.1f} % of the eyes' distance · pixels {self.pixel:.3f}"
        )
        if self.similarity is None:
            return words
        usual = f"one person {SAME_PERSON:.2f}, different people {DIFFERENT_PEOPLE:.2f}"
        return f"{words} · similarity to an independent judge {self.similarity:.2f} ({usual})"


@dataclass(frozen=True)
class PhotoJudge:
    """Measures what was fitted to one photo; what depends on the photo alone is computed once."""

    photo: Photo

    @torch.no_grad()
    def measure(self, fitted: FittedPhoto, judged: bool = False) -> Measures:
        """Of one step, as it is rendered at the photo's size.

        `judged` asks the independent judge, too. That takes six times as long as all else, because it finds the face
        anew in the rendering.
        """
        return Measures(
            identity=self._likeness.distance(fitted.rendering, fitted.landmarks),
            landmarks=self.photo.landmark_error(fitted.landmarks),
            pixel=float(pixel_distance(self.photo.image, fitted.rendering, fitted.weight)),
            similarity=self._likeness.similarity(fitted.rendering) if judged else None,
        )

    @cached_property
    def _likeness(self) -> Likeness:
        return Likeness(self.photo)
