"""A recogniser's opinion of two pictures. It finds the face anew in each, whatever a fit knows about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.assets import shipped
from ganfit_nb.errors import GanfitError
from ganfit_nb.networks.face_reidentification import CROP_SIZE, FIVE_POINTS, FaceReidentification
from ganfit_nb.networks.identity import CropTemplate, aligned_crop, five_point_template
from ganfit_nb.photos.photo import Photo

INDEPENDENT = "face-reidentification"  # the name of the independent judge
NOSE_TIP = 30  # of the 68


@dataclass(frozen=True)
class Judge:
    """A recogniser and the crop that it wants.

    network   aligned crops, RGB in [0, 1], to embeddings (N, D)
    template  how it wants its crops
    """

    network: Callable[[Tensor], Tensor]
    template: CropTemplate

    @staticmethod
    @cache
    def independent() -> Judge:
        """The shipped judge that no fit has been optimised for, loaded once.

        Never use it in an objective: what has been optimised for a judge cannot be judged by it.
        """
        template = five_point_template(CROP_SIZE * torch.tensor(FIVE_POINTS), CROP_SIZE)
        with shipped("face_reidentification.safetensors") as path:
            return Judge(FaceReidentification.load(path), template)

    def crop(self, picture: Photo | Float[Tensor, "H W 3"]) -> Float[Tensor, "3 S S"] | None:
        """The aligned crop of the largest face in a picture, or of a photo's chosen face; None where none is found.

        MediaPipe's detector finds it, also where other landmarks are known.
        """
        image, face = picture, None
        if isinstance(picture, Photo):
            x, y = picture.landmarks[NOSE_TIP].tolist()
            image, face = picture.image, (x, y)
        try:
            found = Photo.from_image(image, face=face)
        except GanfitError:
            return None
        return aligned_crop(found.image.permute(2, 0, 1), found.landmarks, self.template)

    @torch.no_grad()
    def embedding(self, picture: Photo | Float[Tensor, "H W 3"]) -> Float[Tensor, " D"] | None:
        """The embedding of the face, of length 1; None where no face is found."""
        crop = self.crop(picture)
        return None if crop is None else torch.nn.functional.normalize(self.network(crop[None])[0], dim=0)
