"""Faces and their landmarks in an image: the interface of detectors, and the one that ships (M of Eq. 11)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.networks.mediapipe import (
    DETECTOR_SIZE,
    MESH_SIZE,
    Detection,
    FaceDetection,
    FaceMesh,
    distinct,
)
from ganfit_nb.warp import square

# The iBUG 68 among MediaPipe's 478 points: jaw, brows, nose, eyes, outer and inner lips.
IBUG_68 = [
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
]  # fmt: skip
EYE_CORNERS = (33, 263)  # the outer ones, in the 478
FACE_TO_SQUARE = 1.5  # the mesh network expects this margin around the face
MINIMUM_PRESENCE = 0.5  # of the mesh network's face flag
MESH_PASSES = 2  # the second starts from the first's points, so that the result depends less on the detector's box
DETECTION_SIDE = 1024  # px; more does not help a detector that sees a third of the side in 128 px
MAXIMUM_FACES = 8  # of a crowd only the largest are looked at


@dataclass(frozen=True)
class DetectedFace:
    """A face: 68 landmarks in iBUG order and MediaPipe's 478 if the detector has them, box (x0, y0, x1, y1), all px."""

    landmarks: Float[Tensor, "68 2"]
    dense: Float[Tensor, "478 3"] | None
    box: Float[Tensor, " 4"]
    score: float


@runtime_checkable
class LandmarkDetector(Protocol):
    """Whatever finds faces."""

    def __call__(self, image: Float[Tensor, "H W 3"]) -> list[DetectedFace]:
        """The faces in an RGB image in [0, 1], the largest first; an empty list if there is none."""
        ...


def turned(landmarks: Float[Tensor, "68 2"]) -> float:
    """How far a face is turned aside: the distance of the nose's tip from the middle between the outer corners of the
    eyes, along the line through them, in distances of the two. 0 is frontal."""
    tip, right, left = landmarks[30], landmarks[36], landmarks[45]
    across = left - right
    return abs(float((tip - 0.5 * (left + right)) @ across / (across @ across)))


def by_area(faces: Iterable[DetectedFace]) -> list[DetectedFace]:
    """The faces, the largest box first."""
    return sorted(faces, key=lambda face: -float((face.box[2] - face.box[0]) * (face.box[3] - face.box[1])))


class MediaPipeDetector:
    """The default detector: MediaPipe's two networks in torch, under 0.1 s for a photo with one face."""

    def __init__(self) -> None:
        self.detection, self.mesh = FaceDetection(), FaceMesh()

    @torch.no_grad()
    def __call__(self, image: Float[Tensor, "H W 3"]) -> list[DetectedFace]:
        """The faces, the largest first. Turned photos and faces down to 5 % of the image's side are found, too."""
        batch = image.permute(2, 0, 1)[None]
        factor = max(1, max(image.shape[:2]) // DETECTION_SIDE)
        reduced = F.avg_pool2d(batch, factor)
        for found in self._attempts(reduced):
            largest = sorted(found, key=lambda d: -d.side)[:MAXIMUM_FACES]
            faces = [face for detection in largest if (face := self._face(batch, detection.scaled(factor))) is not None]
            if faces:
                return by_area(faces)
        return []

    def _attempts(self, image: Float[Tensor, "1 3 H W"]) -> Iterator[list[Detection]]:
        """Detections in the whole image, then in tiles of a half and of a third of its side.

        The whole image is tried at four turns, because the camera may have been held anyhow; the best score tells which
        is right. (Upright alone will not do: an upside-down face is found, too, but misread.)
        """
        height, width = image.shape[2:]
        side, centre = float(max(height, width)), (width / 2, height / 2)
        turns = [square(centre, side, quarter * math.pi / 2, DETECTOR_SIZE) for quarter in range(4)]
        yield max((self.detection(image, turn) for turn in turns), key=lambda d: d[0].score if d else 0.0)
        for divisor in (2, 3):
            tile = side / divisor
            centres = product(_tile_centres(width, tile), _tile_centres(height, tile))
            windows = [square(centre, tile, 0.0, DETECTOR_SIZE) for centre in centres]
            yield distinct([detection for window in windows for detection in self.detection(image, window)])

    def _face(self, image: Float[Tensor, "1 3 H W"], detection: Detection) -> DetectedFace | None:
        across = detection.eyes[1] - detection.eyes[0]
        angle = math.atan2(float(across[1]), float(across[0]))
        window = square(_pair(detection.centre), FACE_TO_SQUARE * detection.side, angle, MESH_SIZE)
        for _ in range(MESH_PASSES):
            dense, score = self.mesh(image, window)
            if score < MINIMUM_PRESENCE:
                return None
            window = _window_around(dense)
        xy = dense[:, :2]
        return DetectedFace(xy[IBUG_68], dense, torch.cat([xy.amin(0), xy.amax(0)]), score)


def _tile_centres(extent: int, tile: float) -> list[float]:
    """Centres of tiles that overlap by half."""
    if extent <= tile:
        return [extent / 2]
    count = math.ceil(2 * extent / tile) - 1
    return torch.linspace(tile / 2, extent - tile / 2, count).tolist()


def _window_around(dense: Float[Tensor, "478 3"]) -> Float[Tensor, "2 3"]:
    """The mesh network's square around its own points: eyes level, sized by the extent in that direction."""
    xy = dense[:468, :2].double()
    right, left = xy[EYE_CORNERS[0]], xy[EYE_CORNERS[1]]
    angle = math.atan2(float(left[1] - right[1]), float(left[0] - right[0]))
    turn = square((0.0, 0.0), 1.0, angle, 1)[:, :2]  # level frame -> image
    level = xy @ turn
    low, high = level.amin(0), level.amax(0)
    return square(_pair(turn @ (low + high) / 2), FACE_TO_SQUARE * float((high - low).max()), angle, MESH_SIZE)


def _pair(point: Float[Tensor, " 2"]) -> tuple[float, float]:
    return float(point[0]), float(point[1])
