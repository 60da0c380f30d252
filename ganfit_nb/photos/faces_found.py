"""Chooses one of the faces in a picture, by its number or by a point in it, and draws a picture with the numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.photos.landmarks import DetectedFace

Choice = int | tuple[float, float]  # the number of a face (the largest is 1), or a point (x, y) in it, px
SHEET_SIDE = 1600  # px; a picture with a longer side is reduced to this
COLOUR = "#ffd400"


def chosen_face(faces: Sequence[DetectedFace], choice: Choice | None, source: str) -> DetectedFace:
    """The chosen one of the `faces` of `source`, which are sorted, the largest first. None chooses the largest.

    Raises GanfitError when there is no face of this number or at this point.
    """
    if choice is None:
        return faces[0]
    if not isinstance(choice, int) and not (isinstance(choice, tuple) and len(choice) == 2):
        raise GanfitError(f"face must be a number or a point (x, y) in pixels, not {choice!r}.")
    if isinstance(choice, tuple):
        for face in reversed(faces):  # where one face lies within another, the smaller one is chosen
            x0, y0, x1, y1 = face.box.tolist()
            if x0 <= choice[0] <= x1 and y0 <= choice[1] <= y1:
                return face
        raise GanfitError(f"There is no face at ({choice[0]:g}, {choice[1]:g}) in {source}; {_found(faces)}.")
    if not 1 <= choice <= len(faces):
        raise GanfitError(f"There is no face number {choice} in {source}; {_found(faces)}.")
    return faces[choice - 1]


def _found(faces: Sequence[DetectedFace]) -> str:
    places = ", ".join(f"{k} around ({x:.0f}, {y:.0f})" for k, (x, y) in enumerate(map(_centre, faces), 1))
    return f"these were found: {places}"


def _centre(face: DetectedFace) -> tuple[float, float]:
    x0, y0, x1, y1 = face.box.tolist()
    return (x0 + x1) / 2, (y0 + y1) / 2


def faces_found_sheet(picture: UInt8[Tensor, "H W 3"], boxes: Float[Tensor, "F 4"]) -> Image.Image:
    """The picture with a box around each face. Boxes are x0, y0, x1, y1 in its pixels; they are numbered in order."""
    sheet = Image.fromarray(np.asarray(picture))
    factor = min(1.0, SHEET_SIDE / max(sheet.size))
    size = round(sheet.width * factor), round(sheet.height * factor)
    sheet = sheet.resize(size, Image.Resampling.BOX)
    draw, line, height = ImageDraw.Draw(sheet), max(2, max(size) // 400), max(14, max(size) // 40)
    letters = ImageFont.load_default(size=height)
    for number, box in enumerate((boxes * factor).tolist(), 1):
        draw.rectangle(box, outline="black", width=2 * line)
        draw.rectangle(box, outline=COLOUR, width=line)
        words = f" {number} "
        place = draw.textbbox((box[0], box[1]), words, letters, anchor="lb" if box[1] > 2 * height else "lt")
        draw.rectangle(place, fill=COLOUR)
        draw.text(place[:2], words, "black", letters, anchor="lt")
    return sheet
