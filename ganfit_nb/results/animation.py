"""A fit as a moving picture: the fitted face over the photo, and its geometry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.steps import FitStep
from ganfit_nb.photos.photo import Photo
from ganfit_nb.results.export import contact_sheet
from ganfit_nb.results.overlay import face_region, over_photo

FRAMES = 48
SECONDS, LAST_SECONDS = 0.1, 2.0  # a frame is seen, and the last one


@torch.no_grad()
def write_animation(path: Path, photo: Photo, model: FaceModel, steps: Sequence[FitStep]) -> None:
    """An animated GIF of at most FRAMES of the steps, evenly spaced, the first and the last among them.

    GanfitError when there is no step.
    """
    if not steps:
        raise GanfitError("There is no step to animate; run the fit first.")
    chosen = torch.linspace(0, len(steps) - 1, min(FRAMES, len(steps))).round().long().tolist()
    model = model.seen_at(photo.size)
    first, *others = (_frame(photo, model, steps[index]) for index in chosen)
    seconds = [SECONDS] * len(others) + [LAST_SECONDS]
    first.save(path, "GIF", save_all=True, append_images=others, duration=[1000 * s for s in seconds], loop=0)


def _frame(photo: Photo, model: FaceModel, step: FitStep) -> Image.Image:
    rendering = model.render(step.parameters, photo.size)
    over = over_photo(photo, rendering, face_region(model, rendering))
    return contact_sheet({"fit over the photo": over, "shape": rendering.shaded_geometry})
