"""How like a photo a rendering is, to two recognisers: the one that fits use, and one that no fit has seen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.networks.identity import IdentityNetwork, aligned_crop
from ganfit_nb.photos.photo import Photo
from ganfit_nb.results.judge import Judge


@dataclass(frozen=True)
class Likeness:
    """Compares renderings with one photo; what depends on the photo alone is computed once."""

    photo: Photo

    @torch.no_grad()
    def distance(self, rendering: Float[Tensor, "S S 3"], landmarks: Float[Tensor, "68 2"]) -> float:
        """Euclidean distance of dlib's descriptors of photo and rendering; below 0.6 is the same person.

        A default fit minimises it (Eq. 8). `landmarks` are those of the rendering, px.
        """
        return float((_descriptor(rendering, landmarks) - self._photo_descriptor).norm())

    def similarity(self, rendering: Float[Tensor, "S S 3"]) -> float | None:
        """Cosine similarity of photo and rendering to the independent judge; None where it finds a face in only one.

        SAME_PERSON and DIFFERENT_PEOPLE of `networks/face_reidentification.py` say what is usual. Never optimise it.
        """
        seen = Judge.independent().embedding(rendering.clamp(0, 1))
        return None if seen is None or self._photo_embedding is None else float(seen @ self._photo_embedding)

    @cached_property
    def _photo_descriptor(self) -> Float[Tensor, " D"]:
        with torch.no_grad():
            return _descriptor(self.photo.image, self.photo.landmarks)

    @cached_property
    def _photo_embedding(self) -> Float[Tensor, " D"] | None:
        return Judge.independent().embedding(self.photo)


def _descriptor(image: Float[Tensor, "S S 3"], landmarks: Float[Tensor, "68 2"]) -> Float[Tensor, " D"]:
    crop = aligned_crop(image.clamp(0, 1).permute(2, 0, 1), landmarks)
    return IdentityNetwork.default().features(crop[None]).embedding[0]
