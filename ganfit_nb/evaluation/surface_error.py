"""Measures the distance of a scan from a reconstruction's surface, within 80 mm of the tip of the scan's nose.

There is one direction alone: each vertex of the scan gets a partner on the reconstruction. So parts that a scan lacks
have no influence, and parts with a dense mesh count more, as in MICC's measure. The ICP minimises the same
point-to-plane distances that are measured (Chen & Medioni 1992), for some of the vertices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError
from ganfit_nb.evaluation.croppers import within
from ganfit_nb.evaluation.distances import distances
from ganfit_nb.evaluation.scan_error import Reconstruction, Scan, by_landmarks
from ganfit_nb.geometry.aligners import onto_planes
from ganfit_nb.geometry.icp import icp
from ganfit_nb.geometry.similarity import Similarity
from ganfit_nb.geometry.surface import Surface

RADIUS = 80.0  # mm
POINTS = 10_000  # vertices at most; another random choice of as many changes the errors by 0.01 mm
ICP_POINTS, ICP_STEPS = 2_500, 30  # it converges within ten steps, or goes on to oscillate by 0.005 mm


@dataclass(frozen=True)
class SurfaceError:
    """The error of a reconstruction against a scan.

    mean     mean point-to-plane distance of the scan's points, mm
    covered  share of the points that have a counterpart; only these are in the mean
    motion   the motion that aligned the reconstruction with the scan
    """

    mean: float
    covered: float
    motion: Similarity

    def record(self) -> dict[str, float]:
        """The numbers, as they are stored in JSON files."""
        return {"mm": self.mean, "covered": self.covered, "scale": self.motion.scale}


def points_of(scan: Scan) -> Float[Array, "N 3"]:
    """The scan's vertices within 80 mm of the tip of its nose, in mm. Their order is random, but always the same.

    Raises GanfitError when there is none.
    """
    near = scan.surface.vertices[within(scan.surface.vertices, scan.nose, RADIUS)]
    if len(near) == 0:
        raise GanfitError("The scan has no surface within 80 mm of the tip of its nose; give one of a whole face.")
    return np.random.default_rng(0).permutation(near)[:POINTS]


def surface_error(face: Reconstruction, scan: Scan, points: Float[Array, "N 3"], *, scaled: bool) -> SurfaceError:
    """The error of one variant at the `points_of` a scan. Raises GanfitError when the two meshes cannot be aligned."""
    start = by_landmarks(face, scan, scaled)
    begun = face.moved(start).surface
    some = Surface(points[:ICP_POINTS], face.surface.faces[:0])  # the points have a random order
    *_, last = icp(some, begun, scaled=scaled, align=onto_planes, steps=ICP_STEPS)
    motion = last.transform.inverse().after(start)
    values, counts = distances(points, face.moved(motion).surface)
    return SurfaceError(float(values[counts].mean()), float(counts.mean()), motion)
