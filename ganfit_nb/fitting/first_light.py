"""A first guess of the lighting: linear least squares for the colours, the best of a few directions for the source."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool
from torch import Tensor

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.second_view import LIGHT_DISTANCE, light_mean, light_position
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo
from ganfit_nb.renderer import Rendering

AZIMUTHS = [math.radians(a) for a in (-70, -45, -20, 0, 20, 45, 70)]
ELEVATIONS = [math.radians(a) for a in (-10, 20, 50)]
PRIOR_WEIGHT = (
    0.02  # of the prior's pull per visible pixel: enough to decide between skin tone and light where both explain
)


@torch.no_grad()
def first_light(photo: Photo, model: FaceModel, parameters: FaceParameters) -> Tensor:
    """p_l (9,) that best explains the photo with the current shape and texture under diffuse light.

    For a fixed direction the shading model I = albedo · (ambient + light · max(n·l, 0)) is linear in the six colours.
    """
    rendering = model.render(parameters, photo.image.shape[0])
    region = skin_seen(photo, model, rendering)
    if not region.any():
        return parameters.light
    normals, albedo, target = rendering.normals[region], rendering.unlit[region], photo.image[region]
    candidates = [
        _colours(light_position(azimuth, elevation).to(normals), normals, albedo, target)
        for azimuth in AZIMUTHS
        for elevation in ELEVATIONS
    ]
    return min(candidates, key=lambda candidate: candidate[0])[1]


def skin_seen(photo: Photo, model: FaceModel, rendering: Rendering) -> Bool[Tensor, "H W"]:
    """The pixels that show skin, within the photo's borders."""
    region = rendering.interpolate(model.morphable.pixel_region[:, None])[..., 0] > 0.5
    return region & photo.inside.to(region)


def _colours(position: Tensor, normals: Tensor, albedo: Tensor, target: Tensor) -> tuple[float, Tensor]:
    """(squared error with the prior, p_l) for a source far away at `position`."""
    diffuse = (normals @ (position / LIGHT_DISTANCE)).clamp(min=0)
    mean = light_mean().to(target)
    colours, error = [], 0.0
    for channel in range(3):
        columns = albedo[:, channel, None] * torch.stack([diffuse, torch.ones_like(diffuse)], dim=1)
        expected = torch.stack([mean[3 + channel], mean[6 + channel]])
        normal = columns.T @ columns + PRIOR_WEIGHT * len(columns) * torch.eye(2, device=columns.device)
        offset = target[:, channel] - columns @ expected
        colour = (expected + torch.linalg.solve(normal, columns.T @ offset)).clamp(min=0.02)
        error += float((columns @ colour - target[:, channel]).square().sum())
        error += PRIOR_WEIGHT * len(columns) * float((colour - expected).square().sum())
        colours.append(colour)
    both = torch.stack(colours, dim=1)  # row 0 light, row 1 ambient
    return error, torch.cat([position, both[0], both[1]])
