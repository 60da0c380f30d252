"""The iterative closest point method (Besl & McKay 1992) as a generator: every turn of the loop is yielded.

    *_, last = icp(prediction, scan, scaled=True, start=landmark_alignment)
    last.transform, last.rms

Every turn has two parts. First, each vertex of the source gets a partner: the nearest point on the target. Then the
source moves so that its vertices come as near as possible to their partners. The target does not move. Two kinds of
vertices are left out, because their partner is probably wrong: those whose partner lies on the target's border, and
those that are much farther away than most.
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
SETTLED = 1e-4  # share of the rms; the method ends when a turn changes the rms by less (Besl & McKay)
EXACT = 1e-3  # mm; the method also ends when the rms is below this
OUTLIER = 3.0  # times the median distance; a vertex farther than this is left out
SAMPLE = 5_000  # vertices that a motion is found from at most; more would not improve its seven numbers
MINIMUM = 12  # vertices that a motion is found from at least


@dataclass(frozen=True)
class IcpStep:
    """The state at one turn. Step 0 is the start. `residual` and `used` belong to `vertices`.

    transform  the motion from the source, as it was given, to `vertices`
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
    """Moves the source onto the target, beginning at `start`, and yields every turn. With `scaled` its size may change.

    It ends when it has settled, or after `steps` motions. Raises GanfitError when the meshes do not overlap.
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
    """Which vertices take part: those whose partner is not on the border and not an outlier."""
    inside = ~partners.on_border
    if inside.sum() < MINIMUM:
        raise GanfitError("The two meshes do not overlap; start the alignment nearer.")
    limit = OUTLIER * max(float(np.median(partners.distance[inside])), 1e-9)
    return inside & (partners.distance <= limit)
