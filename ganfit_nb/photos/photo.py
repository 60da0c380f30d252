"""A portrait that is ready to be fitted: decoded, with its face found and aligned to the fixed template."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from safetensors.torch import load_file
from torch import Tensor

from ganfit_nb.assets import shipped
from ganfit_nb.errors import GanfitError
from ganfit_nb.photos.faces_found import Choice, chosen_face
from ganfit_nb.photos.hair import Hair
from ganfit_nb.photos.image_file import read_image
from ganfit_nb.photos.landmarks import IBUG_68, DetectedFace, LandmarkDetector, MediaPipeDetector, is_near, is_spread
from ganfit_nb.photos.pixels import rgb_bytes
from ganfit_nb.renderer.camera import CROP_SIDE, ORIGIN_ROW
from ganfit_nb.values import whole
from ganfit_nb.warp import inverse, resample, scale_of, square, transform_points

SMALL_FACE = 60.0  # px between the outer eye corners; below this a note warns
OUTER_EYE_CORNERS = (36, 45)  # of the 68; their distance is the usual unit of landmark errors
SIZES = 16, 4096  # px, smallest and largest side of an aligned image


@dataclass(frozen=True)
class Photo:
    """A photo and its face.

    image        the aligned photo, RGB in [0, 1]
    landmarks    68 in iBUG order, px of `image`
    dense        MediaPipe's 478, if the detector has them
    original     the decoded photo
    to_original  affine map from px of `image` to px of `original`
    boxes        x0, y0, x1, y1 of all faces that were found, px of `original`, the largest first
    """

    image: Float[Tensor, "size size 3"]
    landmarks: Float[Tensor, "68 2"]
    dense: Float[Tensor, "478 3"] | None
    original: UInt8[Tensor, "H0 W0 3"]
    to_original: Float[Tensor, "2 3"]
    source: str
    boxes: Float[Tensor, "faces 4"]
    notes: tuple[str, ...]
    _hair: Hair | None = field(default=None, repr=False, compare=False)  # shared by all sizes of the photo

    def __post_init__(self) -> None:
        if self._hair is None:
            object.__setattr__(self, "_hair", Hair(self.original, self.to_original, self.size))

    @classmethod
    def open(
        cls,
        path: str | Path,
        detector: LandmarkDetector | None = None,
        size: int = 512,
        face: Choice | None = None,
    ) -> Photo:
        """Reads a file and aligns it to one of its faces, by default to the largest.

        `face` chooses another: by its number (the largest is 1), or by a point (x, y) in it. The point is in pixels of
        the picture, whose longer side is reduced to at most 4096. Raises GanfitError when the file is no usable image
        or shows no such face.
        """
        whole("size", size, *SIZES)
        original, notes = read_image(Path(path))
        return cls._align(original, detector, size, str(path), notes, face)

    @classmethod
    def from_image(
        cls,
        image: Any,
        detector: LandmarkDetector | None = None,
        size: int = 512,
        source: str = "image",
        face: Choice | None = None,
    ) -> Photo:
        """Makes a photo of a tensor, an array or a PIL image (`pixels.rgb_bytes`): a rendering, or a frame of a video.

        Raises GanfitError when it is no such picture or shows no face.
        """
        whole("size", size, *SIZES)
        return cls._align(rgb_bytes(image), detector, size, source, (), face)

    @classmethod
    def _align(
        cls,
        original: UInt8[Tensor, "H W 3"],
        detector: LandmarkDetector | None,
        size: int,
        source: str,
        notes: tuple[str, ...],
        choice: Choice | None,
    ) -> Photo:
        found = (detector or default_detector())(original.float() / 255)
        faces = [face for face in found if _is_of(original, face)]
        if not faces:
            raise GanfitError(
                f"No face was found in {source}; use a photo in which one is clearly visible, or mark its 68 points by "
                "hand.",
                argument="detector",
            )
        face = chosen_face(faces, choice, source)
        transform = alignment(face, size)
        to_aligned = inverse(transform)
        dense = None
        if face.dense is not None:
            xy = transform_points(to_aligned, face.dense[:, :2])
            dense = torch.cat([xy, face.dense[:, 2:] / scale_of(transform)], 1)
        return cls(
            image=_aligned_image(original, transform, size),
            landmarks=transform_points(to_aligned, face.landmarks),
            dense=dense,
            original=original,
            to_original=transform.float(),
            source=source,
            boxes=torch.stack([each.box for each in faces]).float(),
            notes=(*notes, *_face_notes(faces, face, choice)),
        )

    @property
    def faces_found(self) -> int:
        """The number of faces in the picture."""
        return len(self.boxes)

    @property
    def size(self) -> int:
        """The side of the aligned image, px."""
        return len(self.image)

    def landmark_error(self, projected: Float[Tensor, "68 2"]) -> float:
        """Mean distance of projected landmarks from the detected ones, divided by that of the outer eye corners."""
        left, right = self.landmarks[list(OUTER_EYE_CORNERS)]
        return float((projected - self.landmarks).norm(dim=1).mean() / (left - right).norm())

    @cached_property
    def inside(self) -> Float[Tensor, "size size"]:
        """1 where the aligned image shows the photo, 0 where its edge was replicated."""
        ones = torch.ones(1, 1, *self.original.shape[:2])
        return (resample(ones, self.to_original, self.size, "zeros")[0, 0] > 0.5).float()

    @cached_property
    def hair(self) -> Float[Tensor, "size size"]:
        """The probability that a pixel of the aligned image shows hair of the head, 0 to 1 (`hair.py`).

        The first call runs a network. Other sizes of the photo share what it found.
        """
        assert self._hair is not None
        return self._hair.at(self.size).to(self.image.device)

    def to(self, device: torch.device | str) -> Photo:
        """The same photo, with image and landmarks on another device."""
        dense = None if self.dense is None else self.dense.to(device)
        return replace(self, image=self.image.to(device), landmarks=self.landmarks.to(device), dense=dense)

    def at(self, size: int) -> Photo:
        """The photo aligned at another size, px, resampled from the original. Raises GanfitError for an absurd size."""
        whole("size", size, *SIZES)
        factor = size / self.size
        transform = self.to_original / torch.tensor([factor, factor, 1])
        return Photo(
            image=_aligned_image(self.original, transform, size),
            landmarks=self.landmarks * factor,
            dense=None if self.dense is None else self.dense * factor,
            original=self.original,
            to_original=transform,
            source=self.source,
            boxes=self.boxes,
            notes=self.notes,
            _hair=self._hair,
        )


def _is_of(original: UInt8[Tensor, "H W 3"], face: DetectedFace) -> bool:
    """Whether the points can be those of a face in this picture.

    An alignment to other points could need any amount of memory.
    """
    height, width = original.shape[:2]
    points = [face.landmarks] if face.dense is None else [face.landmarks, face.dense[:, :2]]
    return all(is_spread(some) and is_near(some, width, height) for some in points)


@cache
def default_detector() -> LandmarkDetector:
    """The shared MediaPipe detector."""
    return MediaPipeDetector()


@cache
def canonical_points() -> Float[Tensor, "468 3"]:
    """MediaPipe's canonical face mesh, mm: the fixed 3D template."""
    with shipped("canonical_face_mesh.safetensors") as path:
        return load_file(path)["vertices"]


def affine_camera(template: Float[Tensor, "N 3"], points: Float[Tensor, "N 2"]) -> Float[Tensor, "2 4"]:
    """The affine camera that projects the template (mm) closest to the points (px), in least squares."""
    homogeneous = torch.cat([template, torch.ones(len(template), 1)], 1).double()
    return torch.linalg.lstsq(homogeneous, points.double(), driver="gelsd").solution.T


def roll_of(camera: Float[Tensor, "2 4"]) -> float:
    """The angle (rad, clockwise in the image) between the image's up and the projected up-axis of the template."""
    return math.atan2(float(camera[0, 1]), -float(camera[1, 1]))


def alignment(face: DetectedFace, size: int) -> Float[Tensor, "2 3"]:
    """The transform from the aligned image to the photo: no roll, and scale and place of the frontal camera's picture.

    The roll is taken out because our look-at camera has none. Translation and scale are taken out so that every fit
    starts alike.
    """
    if face.dense is None:
        template, points = canonical_points()[IBUG_68], face.landmarks
    else:
        template, points = canonical_points(), face.dense[:468, :2]
    camera = affine_camera(template, points)
    px_per_mm = torch.linalg.svdvals(camera[:, :3]).log().mean().exp()  # two scales, equal if it is orthographic
    side = CROP_SIDE * float(px_per_mm)
    roll = roll_of(camera)
    x, y = (camera[:, :3] @ canonical_points().mean(0).double() + camera[:, 3]).tolist()
    down = (0.5 - ORIGIN_ROW) * side  # from the template's centroid to the crop's centre
    return square((x - math.sin(roll) * down, y + math.cos(roll) * down), side, roll, size)


def _aligned_image(original: UInt8[Tensor, "H W 3"], transform: Float[Tensor, "2 3"], size: int) -> Tensor:
    batch = original.permute(2, 0, 1)[None].float() / 255
    return resample(batch, transform, size)[0].permute(1, 2, 0).contiguous()


def _face_notes(faces: list[DetectedFace], chosen: DetectedFace, choice: Choice | None) -> tuple[str, ...]:
    notes = []
    if len(faces) > 1 and choice is None:
        notes.append(f"{len(faces)} faces were found; the largest is used.")
    left, right = chosen.landmarks[list(OUTER_EYE_CORNERS)]
    eyes = float((left - right).norm())
    if eyes < SMALL_FACE:
        notes.append(
            f"The face is small ({eyes:.0f} pixels between the outer corners of the eyes): expect little detail."
        )
    return tuple(notes)
