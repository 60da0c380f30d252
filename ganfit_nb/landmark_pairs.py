"""Which points of the surface belong to which detected landmarks: the correspondences of Eq. 11."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.camera import eye
from ganfit_nb.morphable import JAW, MorphableModel, SurfacePoints
from ganfit_nb.photo import Photo

# Eq. 11 counts pixels of the detector's input. Ours are those of a 512 pixel image, whatever the size fitted at.
LANDMARK_SIZE = 512
POINTS = 68  # the weights sum to about the paper's number of landmarks, however many the detector gives
JAW_TRUST = 0.2  # detectors guess the jaw: two of them agree there to 12 % of the eye distance, inside the face to 4 %


@dataclass(frozen=True)
class LandmarkPairs:
    """L points of the surface, where they were seen (pixels of a 512 pixel image), and how much each counts."""

    surface: SurfacePoints
    observed: Float[Tensor, "L 2"]
    weight: Float[Tensor, " L"]


def landmark_pairs(
    photo: Photo, model: MorphableModel, vertices: Float[Tensor, "V 3"], camera: Float[Tensor, " 7"]
) -> LandmarkPairs:
    """The jaw by the outline of the current view, and inside the face the dense points, or the other 51 without
    them."""
    jaw = model.jaw(vertices, eye(camera))
    if photo.dense is None:
        inner, seen, weight = model.landmarks[JAW:], photo.landmarks[JAW:], photo.landmarks.new_ones(POINTS - JAW)
    else:
        inner, seen, weight = model.dense_landmarks, photo.dense[:, :2], model.dense_weight
    observed = torch.cat([photo.landmarks[:JAW], seen]) * (LANDMARK_SIZE / photo.size)
    weight = torch.cat([weight.new_full((JAW,), JAW_TRUST), weight * (POINTS - JAW) / weight.sum()])
    return LandmarkPairs(jaw + inner, observed, weight)
