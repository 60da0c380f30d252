"""A face whose parameters are known, for a fit to find again, and how far from it a found one is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.fitting.second_view import second_view
from ganfit_nb.geometry.rigid import similarity_distance
from ganfit_nb.parameters import FaceParameters


def known_face(model: FaceModel, seed: int, shot: int) -> FaceParameters:
    """Identity and texture drawn from the model's priors by `seed`; expression, camera and light drawn from the
    Gaussians of Eq. 7 by `shot`."""
    mean, generator = model.mean_parameters(), torch.Generator().manual_seed(seed)
    identity = torch.randn(mean.identity.shape, generator=generator)
    texture = torch.randn(mean.texture.shape, generator=generator)
    return second_view(mean.replace(identity=identity, texture=texture), seed=shot, index=0)


def picture_of(model: FaceModel, face: FaceParameters, size: int) -> Float[Tensor, "size size 3"]:
    """Its photograph."""
    return model.render(face, size).image.clamp(0, 1)


def shape_error(
    model: MorphableModel,
    identity: Float[Tensor, " s"],
    truth: Float[Tensor, " s"],
    distance: Callable[[Tensor, Tensor], float] = similarity_distance,
) -> float:
    """Distance (mm) within the face of the neutral shape of `identity` from the true one. It is taken up to a
    similarity unless `distance` says otherwise: the size of a head does not show in one picture."""
    found, true = (model.neutral(p_s)[model.face_region] for p_s in (identity, truth))
    return distance(found, true)
