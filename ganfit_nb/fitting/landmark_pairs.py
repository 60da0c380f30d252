"""Which points of the surface belong to which detected landmarks: the correspondences of Eq. 11."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganfit_nb.face.morphable import JAW, MorphableModel, SurfacePoints
from ganfit_nb.photos.landmarks import IBUG_68
from ganfit_nb.photos.photo import Photo
from ganfit_nb.renderer.camera import eye

# Eq. 11 counts pixels of the detector's input. Ours are those of a 512 pixel image, whatever the size fitted at.
LANDMARK_SIZE = 512
POINTS = 68  # the weights sum to about the paper's number of landmarks, however many the detector gives
# Opposite points of the lids and of the inner lips (iBUG). A detector errs alike on both, so it sees better how wide an
# eye or a mouth is open than where it lies. Each gap counts like one point of the 68.
LIDS, LIPS = ((37, 41), (38, 40), (43, 47), (44, 46)), ((61, 67), (62, 66), (63, 65))
GAP_TRUST = 1.0
CORNERS = ((36, 39), (42, 45))  # of the eyes, left and right in the picture
CLOSED = 0.12  # of an eye's width: how far the rims of the model's lids are apart at least; detectors see less
JAW_TRUST = 0.2  # detectors guess the jaw: two of them agree there to 12 % of the eye distance, inside the face to 4 %


@dataclass(frozen=True)
class LandmarkPairs:
    """L points of the surface and G gaps between two of them each; where the points were seen, then how far the gaps
    reach (pixels of a 512 pixel image), and how much each counts: M = L + G values."""

    surface: SurfacePoints
    observed: Float[Tensor, "M 2"]
    gaps: Int[Tensor, "G 2"]
    weight: Float[Tensor, " M"]

    def with_gaps(self, values: Float[Tensor, "L ..."]) -> Float[Tensor, "M ..."]:
        """Values of the points, and then their differences across the gaps."""
        first, second = self.gaps.T
        return torch.cat([values, values[first] - values[second]])


def landmark_pairs(
    photo: Photo, model: MorphableModel, vertices: Float[Tensor, "V 3"], camera: Float[Tensor, " 7"]
) -> LandmarkPairs:
    """The jaw by the outline of the current view, and inside the face the dense points, or the other 51 without
    them."""
    jaw, gaps = model.jaw(vertices, eye(camera)), torch.tensor(LIDS + LIPS)
    if photo.dense is None:
        inner, seen, weight = model.landmarks[JAW:], photo.landmarks[JAW:], photo.landmarks.new_ones(POINTS - JAW)
    else:
        inner, seen, weight = model.dense_landmarks, photo.dense[:, :2], model.dense_weight
        gaps = JAW + torch.tensor(IBUG_68)[gaps]
    observed = torch.cat([photo.landmarks[:JAW], seen, _seen_gaps(photo.landmarks)]) * (LANDMARK_SIZE / photo.size)
    trust = [weight.new_full((JAW,), JAW_TRUST), weight * (POINTS - JAW) / weight.sum()]
    weight = torch.cat([*trust, weight.new_full((len(gaps),), GAP_TRUST)])
    return LandmarkPairs(jaw + inner, observed, gaps.to(weight.device), weight)


def _seen_gaps(landmarks: Float[Tensor, "68 2"]) -> Float[Tensor, "G 2"]:
    """From the lower to the upper end of each gap; closed lids as far apart as the model's."""
    upper, lower = torch.tensor(LIDS + LIPS).T
    gaps = landmarks[upper] - landmarks[lower]
    left, right = torch.tensor(CORNERS).T
    across = (landmarks[right] - landmarks[left]).repeat_interleave(2, 0)  # of each pair of lids' points
    up = torch.stack([across[:, 1], -across[:, 0]], 1)
    short = (CLOSED - (gaps[: len(LIDS)] * up).sum(1) / up.square().sum(1)).clamp(min=0)
    return torch.cat([gaps[: len(LIDS)] + short[:, None] * up, gaps[len(LIDS) :]])
