"""Finds faces and their landmarks: the interface of all detectors, and the detector that ships (M of Eq. 11)."""

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

# The index of each of the 68 iBUG points among MediaPipe's 478: jaw, brows, nose, eyes, outer and inner lips.
IBUG_68 = [
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
]  # fmt: skip
EYE_CORNERS = (33, 263)  # outer corners, as indices of the 478 points
FACE_TO_SQUARE = 1.5  # the mesh network expects this margin around the face
SMALLEST_SPREAD = 2.0  # px, standard deviation of a face's landmarks along the longer axis
NARROWEST = 0.1  # smallest ratio of the spreads along the shorter and the longer axis
MINIMUM_PRESENCE = 0.5  # smallest value of the mesh network's face flag
MESH_PASSES = 2  # the second starts from the first's points, so that the result depends less on the detector's box
DETECTION_SIDE = 1024  # px; more pixels do not help, because the detector sees a third of the side in 128 px
MAXIMUM_FACES = 40  # in a crowd only the most certain detections are examined
MINIMUM_SCORE = 0.6  # MediaPipe's is 0.5. A cat scored 0.55 and a rocket 0.54; no face scored under 0.73
MIRRORED_SCORE = 0.75  # mirroring makes face-like patterns: a motorcycle scored 0.71, most half faces 0.8
CERTAIN = 0.88  # half a face scores less; from this score on, no mirrored margin is tried
UPRIGHT_BONUS = 0.1  # a turned face must score higher than an upright one by this much
SIDE_IN_GROUPS = 0.25  # of the picture's side; when all faces are smaller than this, tiles are searched for more
TILES = (2, 3, 7, 16)  # numbers of tiles along the longer side, in which small faces are searched
TILE_OVERLAP = 0.4  # share of a tile that its neighbour covers, too; faces larger than this are found in larger tiles
TILE_SCORE = 0.7  # smallest score of a detection in a tile
SECOND_LOOKS = (3.5, 4.5)  # a face in a tile must be detected again in squares around it, of so many sides of its box
SECOND_SCORE = 0.825  # smallest mean score there: a headlamp reached 0.81, print and flat skins 0.77, most faces 0.92
SMALLEST_TILE = 160  # px; faces in smaller tiles are too small to be fitted


@dataclass(frozen=True)
class DetectedFace:
    """A face, all in pixels.

    landmarks  68 points in iBUG order
    dense      MediaPipe's 478 points, or None if the detector has none
    box        x0, y0, x1, y1
    """

    landmarks: Float[Tensor, "68 2"]
    dense: Float[Tensor, "478 3"] | None
    box: Float[Tensor, " 4"]
    score: float


@runtime_checkable
class LandmarkDetector(Protocol):
    """The interface of everything that finds faces."""

    def __call__(self, image: Float[Tensor, "H W 3"]) -> list[DetectedFace]:
        """The faces in an RGB image in [0, 1], the largest first; an empty list if there is none."""
        ...


def turned(landmarks: Float[Tensor, "68 2"]) -> float:
    """How far a face is turned to the side; 0 is frontal.

    The measure is the distance of the nose tip from the middle between the outer eye corners, along the line through
    these corners, divided by the distance between them.
    """
    tip, right, left = landmarks[30], landmarks[36], landmarks[45]
    across = left - right
    return abs(float((tip - 0.5 * (left + right)) @ across / (across @ across)))


def is_spread(points: Float[Tensor, "N 2"]) -> bool:
    """Whether landmarks extend over a few pixels at least, and in both directions, as those of a face do.

    The landmarks of a profile are half as wide as they are high.
    """
    if not bool(torch.isfinite(points).all()):
        return False
    wide, narrow = torch.linalg.svdvals((points - points.mean(0)).double()).div(len(points) ** 0.5).tolist()
    return wide > SMALLEST_SPREAD and narrow > NARROWEST * wide


def is_near(points: Float[Tensor, "N 2"], width: int, height: int) -> bool:
    """Whether points lie in a picture, or outside by at most half of its width and height."""
    extent = torch.tensor([width, height])
    return bool(((points >= -0.5 * extent) & (points <= 1.5 * extent)).all())


def by_area(faces: Iterable[DetectedFace]) -> list[DetectedFace]:
    """Sorts the faces, the largest box first."""
    return sorted(faces, key=lambda face: -float((face.box[2] - face.box[0]) * (face.box[3] - face.box[1])))


class MediaPipeDetector:
    """The default detector: MediaPipe's two networks in torch. A photo with one face takes less than 0.1 s."""

    def __init__(self) -> None:
        self.detection, self.mesh = FaceDetection(), FaceMesh()

    @torch.no_grad()
    def __call__(self, image: Float[Tensor, "H W 3"]) -> list[DetectedFace]:
        """The faces in the image, the largest first.

        It also finds faces in photos that lie on their side or upside down, and half a face at the photo's border. A
        face must be at least 1 % of the photo's longer side, and 30 px. Faces below 5 % are searched only when there is
        no larger one.
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
        """Yields the detections in the whole image, then those in tiles, which get smaller and smaller."""
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
        """Detections in overlapping squares of `tile` px. The image is continued by its mirror image in a margin."""
        scale = tile / DETECTOR_SIZE
        size = [max(1, round(extent / scale)) for extent in image.shape[2:]]
        small = F.interpolate(image, size, mode="bilinear", antialias=True)
        extended, margin = _mirrored(small, DETECTOR_SIZE // 4)
        found_by_tile = self.detection(*_tiles(extended), TILE_SCORE)
        found = distinct([detection for found in found_by_tile for detection in found])
        again = self._seen_again(extended, found)
        return [detection.scaled(scale) for detection in _within(small, again, margin)]

    def _seen_again(self, image: Float[Tensor, "1 3 H W"], found: list[Detection]) -> list[Detection]:
        """Detects each face twice more in its surroundings, and keeps the faces that are confirmed both times.

        The detection of the first of these two looks is returned. Among many tiles a false detection is likely, but it
        seldom appears again at another size and place.
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
        """Detections in the whole image at each of four quarter turns, the likeliest turn first.

        The camera may have been held in any way. All turns are tried, because the detector also finds an upside-down
        face in an upright image, but misreads it. In the same way it may find part of an upright face in a turned
        image, so a turned face must score higher by UPRIGHT_BONUS.
        """
        height, width = image.shape[2:]
        centre, side = (width / 2, height / 2), float(max(height, width))
        turns = [square(centre, side, quarter * math.pi / 2, DETECTOR_SIZE) for quarter in range(4)]
        windows = torch.cat([resample(image, turn, DETECTOR_SIZE, "zeros") for turn in turns])
        upright, *turned = self.detection(windows, turns, MINIMUM_SCORE)
        turned = [[replace(d, score=d.score - UPRIGHT_BONUS) for d in found] for found in turned]
        return sorted([upright, *turned], key=_best_score, reverse=True)

    def _with_mirrored_margin(self, image: Float[Tensor, "1 3 H W"]) -> list[Detection]:
        """Detections in the whole image with a margin in which it is mirrored.

        By the mirroring, half a face at the border becomes a whole face.
        """
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
    """Whether the detection `b` is of the same face as `a`."""
    return float((a.centre - b.centre).abs().max()) < 0.3 * a.side


def _is_same(a: DetectedFace, b: DetectedFace) -> bool:
    distance = (a.box[:2] + a.box[2:] - b.box[:2] - b.box[2:]).abs().max() / 2
    return bool(distance < 0.3 * (b.box[2:] - b.box[:2]).max())


def _best_score(found: list[Detection]) -> float:
    return found[0].score if found else 0.0


def _mirrored(image: Float[Tensor, "1 3 H W"], margin: int) -> tuple[Float[Tensor, "1 3 H1 W1"], int]:
    """The image with a margin in which it is mirrored, and the margin's width, which is at most the image's."""
    margin = min(margin, image.shape[2] - 1, image.shape[3] - 1)
    return F.pad(image, (margin,) * 4, mode="reflect"), margin


def _within(image: Float[Tensor, "1 3 H W"], found: list[Detection], margin: int) -> list[Detection]:
    """Detections in an image with a margin, converted to px of the image; those outside the image are left out."""
    extent = torch.tensor([image.shape[3], image.shape[2]])
    moved = [replace(d, centre=d.centre - margin, eyes=d.eyes - margin) for d in found]
    return [d for d in moved if bool(((d.centre > -0.1 * d.side) & (d.centre < extent + 0.1 * d.side)).all())]


def _tiles(image: Float[Tensor, "1 3 H W"]) -> tuple[Float[Tensor, "N 3 128 128"], list[Float[Tensor, "2 3"]]]:
    """Overlapping squares of the image at the detector's size, and the transform from each to the image."""
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
    """The square that the mesh network sees next, from its own points. The eyes lie level in it."""
    xy = dense[:468, :2].double()
    right, left = xy[EYE_CORNERS[0]], xy[EYE_CORNERS[1]]
    angle = math.atan2(float(left[1] - right[1]), float(left[0] - right[0]))
    turn = square((0.0, 0.0), 1.0, angle, 1)[:, :2]  # from the frame in which the eyes are level to the image
    level = xy @ turn
    low, high = level.amin(0), level.amax(0)
    return square(_pair(turn @ (low + high) / 2), FACE_TO_SQUARE * float((high - low).max()), angle, MESH_SIZE)


def _pair(point: Float[Tensor, " 2"]) -> tuple[float, float]:
    return float(point[0]), float(point[1])
