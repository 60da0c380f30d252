"""Makes faces with known parameters, which a fit should find again, and measures the error of what it found."""

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
    """A random face.

    `seed` chooses identity and texture from the model's priors. `shot` chooses expression, camera and light from the
    Gaussians of Eq. 7.
    """
    mean, generator = model.mean_parameters(), torch.Generator().manual_seed(seed)
    identity = torch.randn(mean.identity.shape, generator=generator)
    texture = torch.randn(mean.texture.shape, generator=generator)
    return second_view(mean.replace(identity=identity, texture=texture), seed=shot, index=0)


def picture_of(model: FaceModel, face: FaceParameters, size: int) -> Float[Tensor, "size size 3"]:
    """The rendering of a face, which serves as its photograph."""
    return model.render(face, size).image.clamp(0, 1)


def shape_error(
    model: MorphableModel,
    identity: Float[Tensor, " s"],
    truth: Float[Tensor, " s"],
    distance: Callable[[Tensor, Tensor], float] = similarity_distance,
) -> float:
    """The distance (mm) of the neutral shape of `identity` from the true one, over the vertices of the face.

    By default the two are aligned by a similarity, because one picture does not show the size of a head.
    """
    found, true = (model.neutral(p_s)[model.face_region] for p_s in (identity, truth))
    return distance(found, true)
