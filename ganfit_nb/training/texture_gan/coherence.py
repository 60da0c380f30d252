"""Coherence: whether a UV map is the texture of one face. The paper says so of 99.9 % of its latent space.

A map is coherent when four figures are within the range of real maps:

* *landmarks*: the map is rendered on the mean head from the front. A face detector must find a face, and its 51
  landmarks inside the outline must lie where the mesh has them. The figure is their mean distance, divided by that of
  the outer eye corners.
* *asymmetry*: the difference between the blurred map and its mirror image.
* *detail*: the strength of the high frequencies, which tells blank maps and noise.
* *tone*: the mean colour, which must be near that of some real map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.face.texture_errors import high_frequencies
from ganfit_nb.photos.photo import OUTER_EYE_CORNERS, default_detector

SIZE = 256  # side of the rendering
INSIDE = slice(17, 68)  # the landmarks without the jaw, which detectors place differently
BLUR = 16  # side of the cells that asymmetry is measured on, in texels
SLACK = 1.1  # factor by which limits lie beyond the extremes of real maps


@dataclass(frozen=True)
class MapFigures:
    """The four figures of a map. `landmarks` is infinite when no face was found."""

    landmarks: float
    asymmetry: float
    detail: float
    tone: tuple[float, float, float]


@torch.no_grad()
def map_figures(model: FaceModel, albedo: Float[Tensor, "H H 3"], weight: Float[Tensor, "H H"]) -> MapFigures:
    """Measures one map. `weight` is 1 on the face and less elsewhere."""
    share = weight / weight.sum()
    coarse = F.avg_pool2d(albedo.permute(2, 0, 1)[None], BLUR)[0]
    coarse_share = F.avg_pool2d(share[None], BLUR)[0] * BLUR**2
    return MapFigures(
        landmarks=_landmark_error(model, albedo),
        asymmetry=float(((coarse - coarse.flip(2)).abs().mean(dim=0) * coarse_share).sum()),
        detail=float((share * high_frequencies(albedo).square()).sum().sqrt()),
        tone=tuple((share[..., None] * albedo).sum(dim=(0, 1)).tolist()),
    )


def _landmark_error(model: FaceModel, albedo: Float[Tensor, "H H 3"]) -> float:
    face = model.mean_parameters()
    vertices = model.vertices(face)
    faces = default_detector()(model.render_parts(vertices, albedo, face, SIZE).image.clamp(0.0, 1.0))
    if not faces:
        return float("inf")
    expected = model.landmarks(vertices, face.camera, SIZE)
    unit = (expected[OUTER_EYE_CORNERS[0]] - expected[OUTER_EYE_CORNERS[1]]).norm()
    return float((faces[0].landmarks[INSIDE] - expected[INSIDE]).norm(dim=1).mean() / unit)


@dataclass(frozen=True)
class Coherence:
    """The limits that real maps set."""

    landmarks: float
    asymmetry: float
    detail: tuple[float, float]
    tones: Float[Tensor, "N 3"]
    tone_distance: float

    @classmethod
    def of(cls, real: Sequence[MapFigures]) -> Coherence:
        """Limits from the figures of real maps, with a little slack."""
        landmarks, asymmetry, detail, _ = zip(*map(astuple, real), strict=True)
        tones = torch.tensor([figures.tone for figures in real])
        apart = torch.cdist(tones, tones) + torch.eye(len(tones)) * 1e3
        return cls(
            landmarks=SLACK * max(landmarks),
            asymmetry=SLACK * max(asymmetry),
            detail=(min(detail) / SLACK, max(detail) * SLACK),
            tones=tones,
            tone_distance=SLACK * float(apart.min(dim=1)[0].max()),
        )

    def faults(self, figures: MapFigures) -> list[str]:
        """The names of the figures outside the limits; none for a coherent map."""
        nearest = float((self.tones - torch.tensor(figures.tone)).norm(dim=1).min())
        within = {
            "landmarks": figures.landmarks <= self.landmarks,
            "asymmetry": figures.asymmetry <= self.asymmetry,
            "detail": self.detail[0] <= figures.detail <= self.detail[1],
            "tone": nearest <= self.tone_distance,
        }
        return [name for name, fine in within.items() if not fine]
