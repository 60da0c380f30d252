"""Reads 68 landmarks from a file made by hand. It helps when no detector finds the face.

A `.pts` file has the format of iBUG's annotations: `version`, `n_points: 68`, then `{`, 68 lines `x y`, and `}`. In it
the centre of the top-left pixel is (1, 1). A `.json` file holds a list of 68 [x, y], or an object that has this list
under "landmarks". In it that centre is (0.5, 0.5). Both count pixels of the photo as it is shown, x to the right and y
down, in iBUG order.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.reading import reading
from ganfit_nb.photos.landmarks import DetectedFace, is_near, is_spread

SUFFIXES = (".pts", ".json")
POINTS = 68
MAXIMUM_BYTES = 2**20


class LandmarkFile:
    """A detector that returns the points of a file, for the one photo that the file belongs to."""

    def __init__(self, path: Path) -> None:
        self.path, self.landmarks = path, read_landmarks(path)

    def __call__(self, image: Float[Tensor, "H W 3"]) -> list[DetectedFace]:
        """A list of the one face. Raises GanfitError when the points lie outside the image."""
        if not is_near(self.landmarks, image.shape[1], image.shape[0]):
            raise GanfitError(
                f"The landmarks of {self.path} lie outside the photo, which counts {image.shape[1]}×{image.shape[0]} "
                "pixels here; mark the photo at this size."
            )
        box = torch.cat([self.landmarks.amin(0), self.landmarks.amax(0)])
        return [DetectedFace(self.landmarks, None, box, 1.0)]


def read_landmarks(path: Path) -> Float[Tensor, "68 2"]:
    """The points in pixels, where the centre of the top-left pixel is (0.5, 0.5).

    Raises GanfitError when the file holds something else, or points that no face can have.
    """
    with reading(path, "holds no landmarks; give a .pts or .json of 68 points x y.", MAXIMUM_BYTES):
        text = path.read_text(encoding="utf-8")
        rows = _json_rows(text) if path.suffix.lower() == ".json" else _pts_rows(text)
        points = torch.tensor([[float(x), float(y)] for x, y in rows])
    if points.shape != (POINTS, 2) or not bool(torch.isfinite(points).all()):
        raise GanfitError(f"{path} holds {len(points)} landmarks; give the 68 of iBUG, all of them finite.")
    if not is_spread(points):
        raise GanfitError(f"The landmarks of {path} lie on one place or line; mark the 68 points of a face.")
    return points if path.suffix.lower() == ".json" else points - 0.5


def _json_rows(text: str) -> list[list[float]]:
    content = json.loads(text)
    return content["landmarks"] if isinstance(content, dict) else content


def _pts_rows(text: str) -> list[list[str]]:
    inside = text[text.index("{") + 1 : text.index("}")]
    return [line.split() for line in inside.splitlines() if line.strip()]
