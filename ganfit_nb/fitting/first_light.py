"""A first guess of the lighting: linear least squares for the colours, the best of a few directions for the source."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.second_view import LIGHT_DISTANCE, light_mean, light_position
from ganfit_nb.parameters import FaceParameters

AZIMUTHS = [math.radians(a) for a in (-70, -45, -20, 0, 20, 45, 70)]
ELEVATIONS = [math.radians(a) for a in (-10, 20, 50)]
PRIOR_WEIGHT = 0.02  # of the prior's pull per pixel: it decides between skin tone and light where both explain


@torch.no_grad()
def first_light(
    image: Float[Tensor, "size size 3"],
    model: FaceModel,
    parameters: FaceParameters,
    weight: Float[Tensor, "size size"],
) -> Float[Tensor, " 9"]:
    """p_l that best explains the aligned photo with the current shape and texture under diffuse light.

    For a fixed direction the shading model I = albedo · (ambient + light · max(n·l, 0)) is linear in the six colours.
    `weight`: how much each pixel counts (`skin_seen.py`).
    """
    rendering = model.render(parameters, len(image))
    seen = weight > 0
    if not seen.any():
        return parameters.light
    points = rendering.normals[seen], rendering.unlit[seen], image[seen], weight[seen]
    candidates = [
        _colours(light_position(azimuth, elevation).to(weight), *points)
        for azimuth in AZIMUTHS
        for elevation in ELEVATIONS
    ]
    return min(candidates, key=lambda candidate: candidate[0])[1]


def _colours(position: Tensor, normals: Tensor, albedo: Tensor, target: Tensor, weight: Tensor) -> tuple[float, Tensor]:
    """(squared error with the prior, p_l) for a source far away at `position`."""
    diffuse = (normals @ (position / LIGHT_DISTANCE)).clamp(min=0)
    mean, total = light_mean().to(target), float(weight.sum())
    colours, error = [], 0.0
    for channel in range(3):
        columns = albedo[:, channel, None] * torch.stack([diffuse, torch.ones_like(diffuse)], dim=1)
        expected = torch.stack([mean[3 + channel], mean[6 + channel]])
        weighted = columns.T * weight
        normal = weighted @ columns + PRIOR_WEIGHT * total * torch.eye(2, device=columns.device)
        offset = target[:, channel] - columns @ expected
        colour = (expected + torch.linalg.solve(normal, weighted @ offset)).clamp(min=0.02)
        error += float((weight * (columns @ colour - target[:, channel]).square()).sum())
        error += PRIOR_WEIGHT * total * float((colour - expected).square().sum())
        colours.append(colour)
    both = torch.stack(colours, dim=1)  # row 0 light, row 1 ambient
    return error, torch.cat([position, both[0], both[1]])
