"""How far a scan is from a reconstruction's surface, within 80 mm of the tip of its nose.

One direction alone: the scan's vertices look for their partners on the reconstruction. Where a scan has no data nothing
is asked of the reconstruction; as in MICC's measure, its detail counts by the density of its vertices. The ICP moves
some of those that are measured, along the planes they are measured from (Chen & Medioni 1992).
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
POINTS = 10_000  # vertices at most; another draw of so many changes all errors by 0.01 mm
ICP_POINTS, ICP_STEPS = 2_500, 30  # of these points; along planes they arrive in ten steps, or sway by 0.005 mm


@dataclass(frozen=True)
class SurfaceError:
    """mean: of the points' distances from the reconstruction's planes, mm. covered: the share of the points that have a
    counterpart, and so count. motion: what laid the reconstruction onto the scan."""

    mean: float
    covered: float
    motion: Similarity

    def record(self) -> dict[str, float]:
        """What is stored of it."""
        return {"mm": self.mean, "covered": self.covered, "scale": self.motion.scale}


def points_of(scan: Scan) -> Float[Array, "N 3"]:
    """The scan's vertices within 80 mm of the tip of its nose, mm, in a random order that is the same every time.

    GanfitError when there is no surface.
    """
    near = scan.surface.vertices[within(scan.surface.vertices, scan.nose, RADIUS)]
    if len(near) == 0:
        raise GanfitError("The scan has no surface within 80 mm of the tip of its nose; give one of a whole face.")
    return np.random.default_rng(0).permutation(near)[:POINTS]


def surface_error(face: Reconstruction, scan: Scan, points: Float[Array, "N 3"], *, scaled: bool) -> SurfaceError:
    """The error of one variant, for the scan's `points_of`. GanfitError when the two cannot be laid onto each other."""
    start = by_landmarks(face, scan, scaled)
    begun = face.moved(start).surface
    some = Surface(points[:ICP_POINTS], face.surface.faces[:0])  # drawn in no order
    *_, last = icp(some, begun, scaled=scaled, align=onto_planes, steps=ICP_STEPS)
    motion = last.transform.inverse().after(start)
    values, counts = distances(points, face.moved(motion).surface)
    return SurfaceError(float(values[counts].mean()), float(counts.mean()), motion)
