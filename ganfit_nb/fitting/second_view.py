"""The random second view of Eq. 7: the same identity and texture, another expression, camera and light.

The paper draws p_e from N(0, 0.5) and camera and light from the Gaussians of 300W-3D, which it does not print and whose
pictures may not be shipped. Ours, in the terms a photographer would use (mean, standard deviation):

    yaw 0°, 20° · pitch 0°, 8° · distance 1000 mm, 150 mm (at the focal length that keeps the face's size)
    light direction 0°, 35° to either side, 20° above, 20° · distance 2000 mm
    light 0.5, 0.1 · ambient 0.6, 0.1, each with a tint of 0.03 per channel
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.parameters import FaceParameters
from ganfit_nb.renderer.camera import orbit_camera

EXPRESSION_SD = 0.5
YAW_SD, PITCH_SD = math.radians(20), math.radians(8)
DISTANCE_MEAN, DISTANCE_SD = 1000.0, 150.0
LIGHT_YAW_SD, LIGHT_PITCH_MEAN, LIGHT_PITCH_SD = math.radians(35), math.radians(20), math.radians(20)
LIGHT_DISTANCE = 2000.0
LIGHT_MEAN, AMBIENT_MEAN, INTENSITY_SD, TINT_SD = 0.5, 0.6, 0.1, 0.03


def light_position(azimuth: float, elevation: float) -> Float[Tensor, " 3"]:
    """Position (mm) of a source in a direction: azimuth towards the subject's left, elevation upwards, in radians."""
    side, up, front = (
        math.sin(azimuth) * math.cos(elevation),
        math.sin(elevation),
        math.cos(azimuth) * math.cos(elevation),
    )
    return LIGHT_DISTANCE * torch.tensor([side, up, front])


def light_mean() -> Float[Tensor, " 9"]:
    """μ_l of the light's Gaussian."""
    position = light_position(0.0, LIGHT_PITCH_MEAN)
    return torch.cat([position, torch.full((3,), LIGHT_MEAN), torch.full((3,), AMBIENT_MEAN)])


def light_deviation(light: Float[Tensor, "*n 9"]) -> Float[Tensor, "*n 8"]:
    """How far a light's colours are from the Gaussian's mean, in standard deviations: its prior in Eq. 12.

    The common intensity has one deviation, the tint of each channel a smaller one; the direction is left free.
    """
    colours = torch.stack([light[..., 3:6] - LIGHT_MEAN, light[..., 6:] - AMBIENT_MEAN], -2)
    intensity = colours.mean(-1)
    return torch.cat([intensity / INTENSITY_SD, ((colours - intensity[..., None]) / TINT_SD).flatten(-2)], -1)


def second_view(parameters: FaceParameters, seed: int, index: int) -> FaceParameters:
    """p̂ of Eq. 7 for iteration `index`: a function of (seed, index) alone, so a resumed fit draws the same views, and
    of several people each the same."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + index)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    yaw, pitch, distance, light_yaw, light_pitch = normal(5).tolist()
    camera = orbit_camera(
        yaw=YAW_SD * max(-2.0, min(2.0, yaw)),  # beyond 40° the recogniser sees no face
        pitch=PITCH_SD * pitch,
        distance=max(500.0, DISTANCE_MEAN + DISTANCE_SD * distance),
    )
    position = light_position(LIGHT_YAW_SD * light_yaw, LIGHT_PITCH_MEAN + LIGHT_PITCH_SD * light_pitch)
    colour = LIGHT_MEAN + INTENSITY_SD * normal(1) + TINT_SD * normal(3)
    ambient = AMBIENT_MEAN + INTENSITY_SD * normal(1) + TINT_SD * normal(3)
    drawn = {
        "expression": EXPRESSION_SD * normal(parameters.expression.shape[-1]),
        "camera": camera,
        "light": torch.cat([position, colour.clamp(min=0.05), ambient.clamp(min=0.05)]),
    }
    like, numbers = parameters.identity, torch.cat(list(drawn.values()))
    if like.is_cuda:
        numbers = numbers.pin_memory()  # else the processor waits until they are copied
    numbers = numbers.to(like.device, like.dtype, non_blocking=True).expand(*like.shape[:-1], -1)
    parts = numbers.split([len(values) for values in drawn.values()], -1)
    return parameters.replace(**dict(zip(drawn, parts, strict=True)))
