"""The iterative closest point method (Besl & McKay 1992) as a generator: every turn of the loop is yielded.

    *_, last = icp(prediction, scan, scaled=True, start=landmark_alignment)
    last.transform, last.rms

In turn, each vertex of the source gets a partner on the target, and the source moves by the motion that brings it
nearest to the partners. The target stands still. Points without a true partner stay out: those whose partner lies on
the target's border, and those much farther away than the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError
from ganfit_nb.geometry.aligners import Align, onto_points
from ganfit_nb.geometry.correspondences import Correspond, Partners, closest_on_surface
from ganfit_nb.geometry.similarity import Similarity
from ganfit_nb.geometry.surface import Surface

STEPS = 100
SETTLED = 1e-4  # of the rms: the method ends when a turn changes it by less (Besl & McKay's criterion)
EXACT = 1e-3  # mm of rms: nearer need no two surfaces come
OUTLIER = 3.0  # times the median distance: beyond it a partner is none
SAMPLE = 5_000  # partners of more vertices than this say no more about seven numbers
MINIMUM = 12  # partners that a motion is found from


@dataclass(frozen=True)
class IcpStep:
    """One turn. Step 0 is the start; `residual` and `used` belong to `vertices`.

    transform  from the source as given to `vertices`
    vertices   (V, 3) the moved source, mm
    residual   (V,) distance of each vertex from its partner, mm
    used       (V,) whether its partner takes part in the next motion
    rms        root mean square of the residuals used, mm
    """

    index: int
    transform: Similarity
    vertices: Float[Array, "V 3"]
    residual: Float[Array, " V"]
    used: Bool[Array, " V"]
    rms: float


def icp(
    source: Surface,
    target: Surface,
    *,
    scaled: bool,
    start: Similarity | None = None,
    align: Align = onto_points,
    correspond: Correspond = closest_on_surface,
    steps: int = STEPS,
) -> Iterator[IcpStep]:
    """Moves the source onto the target from `start`; with `scaled` its size is free, too.

    Ends when it has settled, or after `steps` motions. GanfitError when the meshes do not overlap.
    """
    transform, before = start or Similarity.identity(), np.inf
    for index in range(steps + 1):
        vertices = transform(source.vertices)
        partners = correspond(vertices, target)
        used = _counting(partners)
        rms = float(np.sqrt((partners.distance[used] ** 2).mean()))
        yield IcpStep(index, transform, vertices, partners.distance, used, rms)
        if abs(before - rms) <= SETTLED * rms or rms < EXACT:
            return
        before, sample = rms, np.flatnonzero(used)
        sample = sample[:: -(-len(sample) // SAMPLE)]
        motion = align(vertices[sample], partners.points[sample], partners.normals[sample], scaled)
        transform = motion.after(transform)


def _counting(partners: Partners) -> Bool[Array, " V"]:
    """Whose partner is a true one, as far as can be told."""
    inside = ~partners.on_border
    if inside.sum() < MINIMUM:
        raise GanfitError("The two meshes do not overlap; start the alignment nearer.")
    limit = OUTLIER * max(float(np.median(partners.distance[inside])), 1e-9)
    return inside & (partners.distance <= limit)
