"""Faces and their landmarks in an image: the interface of detectors, and the one that ships (M of Eq. 11)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
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
from ganfit_nb.warp import resample, square

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
SMALLEST_SPREAD = 2.0  # px, standard deviation of a face's landmarks along the longer axis
NARROWEST = 0.1  # of the shorter axis to the longer
MINIMUM_PRESENCE = 0.5  # of the mesh network's face flag
MESH_PASSES = 2  # the second starts from the first's points, so that the result depends less on the detector's box
DETECTION_SIDE = 1024  # px; more does not help a detector that sees a third of the side in 128 px
MAXIMUM_FACES = 40  # of a crowd only the surest are looked at
MINIMUM_SCORE = 0.6  # of a detection. MediaPipe has 0.5; a cat reached 0.55 and a rocket 0.54, no face had under 0.73
MIRRORED_SCORE = 0.75  # the same where mirroring makes patterns: a motorcycle reached 0.71, most half faces 0.8
CERTAIN = 0.88  # half a face in a photo as it is scores less; from it on no mirrored margin is tried
UPRIGHT_BONUS = 0.1  # by how much a turned face must score more than an upright one
SIDE_IN_GROUPS = 0.25  # of the picture; where no face is larger there may be more of them in tiles
TILES = (2, 3, 7, 16)  # how many tiles make up the longer side, where small faces are looked for
TILE_OVERLAP = 0.4  # of a tile; larger faces are found in larger tiles
TILE_SCORE = 0.7  # of a detection in a tile
SECOND_LOOKS = (3.5, 4.5)  # sides of its box around it, in which it must be detected once more,
SECOND_SCORE = 0.825  # better on the average: a headlamp reached 0.81, print and flat skins 0.77, most faces 0.92
SMALLEST_TILE = 160  # px; the faces in smaller ones are too small to be fitted


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


def is_spread(points: Float[Tensor, "N 2"]) -> bool:
    """Whether landmarks span a face: at least a few pixels, and in both directions. Those of a profile are half as wide
    as they are high."""
    if not bool(torch.isfinite(points).all()):
        return False
    wide, narrow = torch.linalg.svdvals((points - points.mean(0)).double()).div(len(points) ** 0.5).tolist()
    return wide > SMALLEST_SPREAD and narrow > NARROWEST * wide


def is_near(points: Float[Tensor, "N 2"], width: int, height: int) -> bool:
    """Whether points lie in a picture or not farther outside than half of its sides."""
    extent = torch.tensor([width, height])
    return bool(((points >= -0.5 * extent) & (points <= 1.5 * extent)).all())


def by_area(faces: Iterable[DetectedFace]) -> list[DetectedFace]:
    """The faces, the largest box first."""
    return sorted(faces, key=lambda face: -float((face.box[2] - face.box[0]) * (face.box[3] - face.box[1])))


class MediaPipeDetector:
    """The default detector: MediaPipe's two networks in torch, under 0.1 s for a photo with one face."""

    def __init__(self) -> None:
        self.detection, self.mesh = FaceDetection(), FaceMesh()

    @torch.no_grad()
    def __call__(self, image: Float[Tensor, "H W 3"]) -> list[DetectedFace]:
        """The faces, the largest first.

        Turned photos, half a face at the photo's border, and faces down to 1 % of its longer side, if that is 30 px,
        are found, too; those below 5 % are looked for only where there is no larger one.
        """
        batch = image.permute(2, 0, 1)[None]
        for found in self._attempts(batch):
            faces: list[DetectedFace] = []
            for detection in found:
                face = self._face(batch, detection)
                if face and not any(_is_same(face, known) for known in faces):
                    faces.append(face)
            if faces:
                return by_area(faces)
        return []

    def _attempts(self, image: Float[Tensor, "1 3 H W"]) -> Iterator[list[Detection]]:
        """Detections in the whole image, then in finer and finer tiles."""
        side = max(image.shape[2:])
        factor = max(1, side // DETECTION_SIDE)
        reduced = F.avg_pool2d(image, factor)
        whole = self._at_four_turns(reduced)
        if _best_score(whole[0]) < CERTAIN:
            whole.append(self._with_mirrored_margin(reduced))
        tiles = [side / divisor for divisor in TILES if side / divisor >= SMALLEST_TILE]
        for found in sorted(whole, key=_best_score, reverse=True):
            found = [detection.scaled(float(factor)) for detection in found]
            if found and max(detection.side for detection in found) < SIDE_IN_GROUPS * side:
                found += [detection for tile in tiles[:2] for detection in self._in_tiles(image, tile)]
            yield found[:MAXIMUM_FACES]
        for tile in tiles:
            yield self._in_tiles(image, tile)[:MAXIMUM_FACES]

    def _in_tiles(self, image: Float[Tensor, "1 3 H W"], tile: float) -> list[Detection]:
        """In overlapping squares of `tile` px, mirrored in a margin around the image."""
        scale = tile / DETECTOR_SIZE
        size = [max(1, round(extent / scale)) for extent in image.shape[2:]]
        small = F.interpolate(image, size, mode="bilinear", antialias=True)
        extended, margin = _mirrored(small, DETECTOR_SIZE // 4)
        found_by_tile = self.detection(*_tiles(extended), TILE_SCORE)
        found = distinct([detection for found in found_by_tile for detection in found])
        again = self._seen_again(extended, found)
        return [detection.scaled(scale) for detection in _within(small, again, margin)]

    def _seen_again(self, image: Float[Tensor, "1 3 H W"], found: list[Detection]) -> list[Detection]:
        """The detections that two more looks at their surroundings confirm, as the first of them sees them.

        Many tiles offer many chances of an error, which seldom happens again at other sizes and places.
        """
        seen = []
        for first in found:
            windows = [square(_pair(first.centre), look * first.side, 0.0, DETECTOR_SIZE) for look in SECOND_LOOKS]
            squares = torch.cat([resample(image, window, DETECTOR_SIZE) for window in windows])
            again = self.detection(squares, windows, MINIMUM_SCORE)
            same = [next((d for d in each if _confirms(first, d)), None) for each in again]
            scores = [d.score if d else 0.0 for d in same]
            if same[0] and sum(scores) >= SECOND_SCORE * len(scores):
                seen.append(same[0])
        return distinct(seen)

    def _at_four_turns(self, image: Float[Tensor, "1 3 H W"]) -> list[list[Detection]]:
        """Of the whole image, as the camera may have been held anyhow; the likeliest turn first.

        Upright alone will not do: an upside-down face is found, too, but misread. The same goes for a part of an
        upright face at other turns, so they must be the better by some margin.
        """
        height, width = image.shape[2:]
        centre, side = (width / 2, height / 2), float(max(height, width))
        turns = [square(centre, side, quarter * math.pi / 2, DETECTOR_SIZE) for quarter in range(4)]
        windows = torch.cat([resample(image, turn, DETECTOR_SIZE, "zeros") for turn in turns])
        upright, *turned = self.detection(windows, turns, MINIMUM_SCORE)
        turned = [[replace(d, score=d.score - UPRIGHT_BONUS) for d in found] for found in turned]
        return sorted([upright, *turned], key=_best_score, reverse=True)

    def _with_mirrored_margin(self, image: Float[Tensor, "1 3 H W"]) -> list[Detection]:
        """Of the whole image, mirrored in a margin around it: what is half a face at the border becomes a whole one."""
        side = max(image.shape[2:])
        extended, margin = _mirrored(image, side // 4)
        height, width = extended.shape[2:]
        window = square((width / 2, height / 2), 1.5 * side, 0.0, DETECTOR_SIZE)
        (found,) = self.detection(resample(extended, window, DETECTOR_SIZE), [window], MIRRORED_SCORE)
        return _within(image, found, margin)

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


def _confirms(a: Detection, b: Detection) -> bool:
    """Whether the second look is at the same face as the first."""
    return float((a.centre - b.centre).abs().max()) < 0.3 * a.side


def _is_same(a: DetectedFace, b: DetectedFace) -> bool:
    distance = (a.box[:2] + a.box[2:] - b.box[:2] - b.box[2:]).abs().max() / 2
    return bool(distance < 0.3 * (b.box[2:] - b.box[:2]).max())


def _best_score(found: list[Detection]) -> float:
    return found[0].score if found else 0.0


def _mirrored(image: Float[Tensor, "1 3 H W"], margin: int) -> tuple[Float[Tensor, "1 3 H1 W1"], int]:
    """The image with a margin in which it is mirrored, and how wide that is: at most the image."""
    margin = min(margin, image.shape[2] - 1, image.shape[3] - 1)
    return F.pad(image, (margin,) * 4, mode="reflect"), margin


def _within(image: Float[Tensor, "1 3 H W"], found: list[Detection], margin: int) -> list[Detection]:
    """What was found in an image with a margin, in px of the image, without what is not in it."""
    extent = torch.tensor([image.shape[3], image.shape[2]])
    moved = [replace(d, centre=d.centre - margin, eyes=d.eyes - margin) for d in found]
    return [d for d in moved if bool(((d.centre > -0.1 * d.side) & (d.centre < extent + 0.1 * d.side)).all())]


def _tiles(image: Float[Tensor, "1 3 H W"]) -> tuple[Float[Tensor, "N 3 128 128"], list[Float[Tensor, "2 3"]]]:
    """Overlapping squares of the detector's size, and the transforms from them to the image."""
    height, width = image.shape[2:]
    image = F.pad(image, (0, max(0, DETECTOR_SIZE - width), 0, max(0, DETECTOR_SIZE - height)))
    corners = [(x, y) for y in _tile_starts(height) for x in _tile_starts(width)]
    tiles = [image[0, :, y : y + DETECTOR_SIZE, x : x + DETECTOR_SIZE] for x, y in corners]
    return torch.stack(tiles), [torch.tensor([[1.0, 0.0, x], [0.0, 1.0, y]]) for x, y in corners]


def _tile_starts(extent: int) -> list[int]:
    free = max(0, extent - DETECTOR_SIZE)
    count = 1 + math.ceil(free / (DETECTOR_SIZE * (1 - TILE_OVERLAP)))
    return torch.linspace(0, free, count).round().int().tolist()


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
