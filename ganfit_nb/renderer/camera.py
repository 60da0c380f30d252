"""The look-at pinhole camera of Sec. 3.2: p_c = [eye (3), target (3), focal length]."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.functional import jacobian, jvp

from ganfit_nb.errors import GanfitError

CROP_SIDE = 280.0  # mm at the face that the side of a Photo's aligned crop covers
ORIGIN_ROW = 0.52  # of the side: where that crop puts the origin of model space
NEAR = 1.0  # mm; what is closer to the eye than this, or behind it, has no meaningful projection


def eye(p_c: Float[Tensor, "*n 7"]) -> Float[Tensor, "*n 3"]:
    """The camera's position [x_c, y_c, z_c], mm in model space."""
    return p_c[..., :3]


def frontal_camera(distance: float = 1000.0) -> Float[Tensor, " 7"]:
    """A camera straight in front of the face, `distance` mm away, that agrees with Photo's template.

    Its picture covers 280 mm at the origin, which gives the focal length f = 2 distance / 280, and shows the origin
    at (0.5, 0.52) of the side.
    """
    return orbit_camera(0.0, 0.0, distance)


def orbit_camera(yaw: float, pitch: float, distance: float = 1000.0) -> Float[Tensor, " 7"]:
    """The frontal camera turned about its target: yaw to the subject's left, pitch upwards, in radians."""
    above = CROP_SIDE * (ORIGIN_ROW - 0.5)  # the target is above the origin, so the origin lies below the centre
    side, up, front = math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)
    position = [distance * side, above + distance * up, distance * front]
    return torch.tensor([*position, 0.0, above, 0.0, 2.0 * distance / CROP_SIDE])


def camera_axes(p_c: Float[Tensor, "*n 7"]) -> Float[Tensor, "*n 3 3"]:
    """Rows: unit vectors to the right, up and forward, in model space; +y is up, so there is no roll.

    GanfitError where these are undefined: eye and target coincide, the view is along ±y, or a number is not finite.
    A GPU is not asked, because the processor would have to wait for the answer. The axes are not finite then.
    """
    forward = p_c[..., 3:6] - p_c[..., :3]
    x, _, z = forward.unbind(-1)
    right = torch.stack([-z, torch.zeros_like(z), x], -1)  # forward × (0, 1, 0)
    if p_c.is_cpu and not bool((right.norm(dim=-1) > 1e-6 * forward.norm(dim=-1)).all()):  # also true for NaN
        raise GanfitError(
            "The camera has no direction: its eye and target must be finite, apart, and not straight above each other."
        )
    forward = forward / forward.norm(dim=-1, keepdim=True)
    right = right / right.norm(dim=-1, keepdim=True)
    return torch.stack([right, torch.linalg.cross(right, forward), forward], -2)


def project(points: Float[Tensor, "*m 3"], p_c: Float[Tensor, "*n 7"], size: int) -> Float[Tensor, "*m 3"]:
    """Model space (mm) to the screen: [x px, y px, depth mm], differentiable in both arguments. One camera for all
    points, or one for each set of points (*n N 3).

    x_px = size/2 (1 + f x/depth) and y_px = size/2 (1 - f y/depth) in camera coordinates, f in half image sides.
    Depth is measured along the view, positive in front of the eye. Points nearer than NEAR keep their true depth but
    get the pixel they would have at NEAR, a finite number to be ignored.
    """
    x, y, depth = ((points - eye(p_c)[..., None, :]) @ camera_axes(p_c).mT).unbind(-1)
    scale = 0.5 * size * p_c[..., 6:] / depth.clamp(min=NEAR)
    return torch.stack([0.5 * size + scale * x, 0.5 * size - scale * y, depth], dim=-1)


def projection_slopes(
    points: Float[Tensor, "N 3"], p_c: Float[Tensor, " 7"], size: int
) -> tuple[Float[Tensor, "N 2 3"], Float[Tensor, "N 2 7"]]:
    """Derivatives of the pixels of `project` by each point's own position and by the camera."""

    def pixels(points: Tensor, p_c: Tensor) -> Tensor:
        return project(points, p_c, size)[:, :2]

    # A point's pixel depends on that point alone, so the derivatives of the sums are those of all points.
    by_position = jacobian(lambda x: pixels(x, p_c).sum(0), points).transpose(0, 1)
    directions = torch.eye(7).to(p_c)
    by_camera = torch.stack([jvp(lambda c: pixels(points, c), p_c, d)[1] for d in directions], -1)
    return by_position, by_camera
