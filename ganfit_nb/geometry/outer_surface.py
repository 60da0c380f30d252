"""Finds the part of a mesh that a scanner sees, without the inside of the mouth and the backs of the eyeballs."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ganfit_nb.renderer.camera import orbit_camera, project
from ganfit_nb.renderer.rasterize import rasterize

VIEWS = ((0, 0), (50, 0), (-50, 0), (0, 30), (0, -30))  # yaw and pitch, degrees
SIZE = 1024  # px, side of the pictures; every triangle of a face covers more than a pixel


def outer_faces(vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], flush: float = 0.0) -> Bool[Tensor, " F"]:
    """Which triangles are visible in at least one of a few views of a face that looks along +z (mm).

    A triangle also counts when its centre lies less than `flush` mm behind the visible surface. Scans need this: their
    triangles may be smaller than a pixel.
    """
    seen = torch.zeros(len(faces), dtype=torch.bool)
    for yaw, pitch in VIEWS:
        camera = orbit_camera(math.radians(yaw), math.radians(pitch))
        screen = project(vertices, camera, SIZE)
        fragments = rasterize(screen, faces, SIZE)
        shown = fragments.pix_to_face
        seen[shown[shown >= 0].unique()] = True
        if flush:
            x, y, depth = screen[faces].mean(1).unbind(1)
            column, row = x.long().clamp(0, SIZE - 1), y.long().clamp(0, SIZE - 1)
            inside = (x >= 0) & (x < SIZE) & (y >= 0) & (y < SIZE)
            seen |= inside & (depth < fragments.zbuf[row, column] + flush)
    return seen
