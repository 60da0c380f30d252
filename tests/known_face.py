"""A face with known parameters, photographed by our own renderer, for a fit to find again."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganfit_nb import FaceModel, FaceParameters
from ganfit_nb.fitting.second_view import second_view
from ganfit_nb.geometry.rigid import similarity_distance


def known_face(model: FaceModel, seed: int = 7) -> FaceParameters:
    """Random identity, expression, texture, camera and light."""
    mean, generator = model.mean_parameters(), torch.Generator().manual_seed(seed)
    identity = torch.randn(mean.identity.shape, generator=generator)
    texture = torch.randn(mean.texture.shape, generator=generator)
    return second_view(mean.replace(identity=identity, texture=texture), seed=seed, index=0)


def picture_of(model: FaceModel, face: FaceParameters, size: int) -> Tensor:
    """Its photograph, (size, size, 3)."""
    return model.render(face, size).image.clamp(0, 1)


def shape_error(model: FaceModel, truth: FaceParameters) -> Callable[[Tensor], float]:
    """The function from p_s to the mean distance (mm) of the neutral face from the true one, up to a similarity."""
    face, neutral = model.morphable.face_region, torch.zeros_like(truth.expression)
    true = model.morphable.vertices(truth.identity, neutral)[face]
    return lambda identity: similarity_distance(model.morphable.vertices(identity, neutral)[face], true)
