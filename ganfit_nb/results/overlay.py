"""The fitted face over the photo, and the sheet of pictures that a fit is looked at by."""

from __future__ import annotations

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.steps import FitStep
from ganfit_nb.photos.photo import Photo
from ganfit_nb.renderer import Rendering
from ganfit_nb.results.export import contact_sheet

DIFFERENCE = 3  # times the difference of photo and rendering: 0.1 is a large one and would look black


def face_region(model: FaceModel, rendering: Rendering) -> Float[Tensor, "H W 1"]:
    """How much each pixel belongs to the face that is compared: hair, ears and neck do not."""
    return rendering.interpolate(model.morphable.pixel_region[:, None])


def over_photo(photo: Photo, rendering: Rendering, region: Float[Tensor, "H W 1"]) -> Float[Tensor, "H W 3"]:
    """The rendered face in the place of the photo's, within its `face_region`."""
    return region * rendering.image + (1 - region) * photo.image


@torch.no_grad()
def overlay(photo: Photo, model: FaceModel, step: FitStep) -> Image.Image:
    """The sheet: photo | fit over the photo | shape | texture | fit without light | difference."""
    rendering = model.render(step.parameters, photo.size)
    region = face_region(model, rendering)
    texture = model.texture(step.parameters.texture).permute(2, 0, 1)[None]
    texture = torch.nn.functional.interpolate(texture, (photo.size, photo.size), mode="area")[0].permute(1, 2, 0)
    return contact_sheet(
        {
            "photo": photo.image,
            "fit over the photo": over_photo(photo, rendering, region),
            "shape": rendering.shaded_geometry,
            "texture": texture,
            "fit without light": rendering.unlit,
            f"difference, {DIFFERENCE} times as bright": DIFFERENCE * region * (rendering.image - photo.image).abs(),
        }
    )
