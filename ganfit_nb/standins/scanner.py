"""A cylindrical scanner for stand-in subjects. Its mesh differs from the head's: finer, noisy and with holes.

The scanner works like a laser scanner that goes round a head. For every direction around a vertical axis, and for every
height, it measures the distance of the surface from the axis. It joins these points to a grid of triangles.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray as Array
from scipy.ndimage import gaussian_filter

from ganfit_nb.geometry.surface import Surface, without_unused
from ganfit_nb.renderer.rasterize import rasterize

RADIUS = 90.0  # mm, about that of a head; the turn is measured in mm along a circle of this radius
AXIS = 70.0  # mm that the axis lies behind the middle of the face
SPACING = 1.0  # mm between samples
SIDE = 288  # number of samples along the turn and along the height
NOISE, RIPPLE = 0.08, 0.12  # mm, standard deviations from sample to sample, and over a few mm
HOLES, HOLE_RADIUS = 10, (1.5, 5.0)  # number, and smallest and largest radius, mm
STEEPEST = 4.0  # mm; neighbours farther apart are not joined, because an outline lies between them
FAR = 1e4


def scan(
    vertices: Float[Array, "V 3"],
    faces: Int[Array, "F 3"],
    rng: np.random.Generator,
    turn: tuple[float, float] = (-90.0, 90.0),
) -> Surface:
    """The scanned surface in mm, in the head's frame. The head's middle lies at the origin.

    `turn` is the range of directions that are scanned, in degrees from the front to the subject's left.
    """
    seen, radius = _outermost(vertices, faces)
    row, column = np.indices(seen.shape)
    angle = (column + 0.5 - SIDE / 2) * SPACING / RADIUS
    seen &= (np.degrees(angle) > turn[0]) & (np.degrees(angle) < turn[1]) & ~_holes(rng)
    radius = radius + rng.normal(0, NOISE, radius.shape) + _ripple(rng)
    height = (SIDE / 2 - row - 0.5) * SPACING
    points = np.stack([radius * np.sin(angle), height, radius * np.cos(angle) - AXIS], -1)
    return Surface(*without_unused(points.reshape(-1, 3), _grid(seen, points)))


def _outermost(vertices: Array, faces: Array) -> tuple[Array, Array]:
    """Whether each sample meets the surface, and the surface's distance from the axis there, mm.

    This is a z-buffer in cylindrical coordinates.
    """
    x, y, z = vertices[:, 0], vertices[:, 1], vertices[:, 2] + AXIS
    turn, radius = np.arctan2(x, z) * RADIUS, np.hypot(x, z)
    screen = np.stack([SIDE / 2 + turn / SPACING, SIDE / 2 - y / SPACING, FAR - radius], 1)
    flat = faces[np.ptp(turn[faces], axis=1) < 100]  # without triangles that cross the seam at the back
    found = rasterize(torch.from_numpy(screen), torch.from_numpy(flat), SIDE)
    depth = found.image(found.depth[:, None])[..., 0].numpy()
    return (found.pix_to_face >= 0).numpy(), FAR - depth


def _ripple(rng: np.random.Generator) -> Float[Array, "SIDE SIDE"]:
    smooth = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 5)
    return RIPPLE * smooth / smooth.std()


def _holes(rng: np.random.Generator) -> Array:
    row, column = np.indices((SIDE, SIDE))
    missing = np.zeros((SIDE, SIDE), bool)
    for _ in range(HOLES):
        r, c = rng.uniform(0.2, 0.8, 2) * SIDE
        missing |= np.hypot(row - r, column - c) < rng.uniform(*HOLE_RADIUS) / SPACING
    return missing


def _grid(seen: Array, points: Float[Array, "SIDE SIDE 3"]) -> Int[Array, "F 3"]:
    """Joins every four neighbouring samples that were seen and lie close together by two triangles."""
    index = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack(corner, -1).reshape(-1, 3) for corner in ((a, b, c), (a, c, d))])
    corners = points.reshape(-1, 3)[faces]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    return faces[seen.ravel()[faces].all(1) & (longest < STEEPEST)]
