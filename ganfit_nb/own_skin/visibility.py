"""Which points of a surface a camera sees, and how well."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ganfit_nb.blur import gaussian_blur
from ganfit_nb.renderer import rasterize
from ganfit_nb.renderer.camera import CROP_SIDE, eye, project

SIZE = 1024  # px of the depth picture, which covers about 280 mm
HIDDEN = 2.0  # mm behind the surface that a pixel shows, from where a point is hidden
JUMP = 4.0  # mm from one pixel to the next: the outline of a part that lies before another
MARGIN = 2.0  # mm around such an outline where a fit may confuse the two parts
STEEP = 0.25, 0.6  # cosines of the viewing angle: below the first nothing is read, above the second all


def seen(
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    points: Float[Tensor, "N 3"],
    normals: Float[Tensor, "N 3"],
    camera: Float[Tensor, " 7"],
) -> Float[Tensor, " N"]:
    """How far each point of the surface (mm, unit normals) can be read from a photo, in [0, 1].

    0 where it is hidden, seen at a flat angle, or so near to an outline that an error of the fit of MARGIN would show
    another part of the head or the background there.
    """
    fragments = rasterize(project(vertices, camera, SIZE), faces, SIZE)
    far = 10 * CROP_SIDE + float(camera[:3].norm())
    depth = torch.where(fragments.pix_to_face >= 0, fragments.zbuf, far)
    place = project(points, camera, SIZE)
    grid = (place[:, :2] / SIZE * 2 - 1)[None, None]
    nearest = F.grid_sample(depth[None, None], grid, "nearest", "border", align_corners=False)[0, 0, 0]
    clear = F.grid_sample(_away_from_outlines(depth)[None, None], grid, "bilinear", align_corners=False)[0, 0, 0]
    cosine = (normals * F.normalize(eye(camera) - points, dim=1)).sum(1)
    return (place[:, 2] < nearest + HIDDEN) * clear * smoothstep(cosine, *STEEP)


def _away_from_outlines(depth: Float[Tensor, "S S"]) -> Float[Tensor, "S S"]:
    """1 beyond MARGIN from the jumps of the depth, 0 nearer than half of it."""
    margin = MARGIN / CROP_SIDE * SIZE
    highest, lowest = (F.max_pool2d(sign * depth[None], 3, 1, 1) for sign in (1, -1))
    jump = (highest + lowest > JUMP).float()
    reach = round(0.75 * margin)
    near = F.max_pool2d(jump, 2 * reach + 1, 1, reach)
    return smoothstep(1 - gaussian_blur(near, margin / 6)[0], 0.1, 0.9)


def smoothstep(x: Tensor, low: float, high: float) -> Tensor:
    """0 below `low`, 1 above `high`, smooth between."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)
