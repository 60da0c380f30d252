"""Coarse to fine: the joint stage begins with pictures and textures of half the side.

A step at 128 px takes two thirds of the time of one at 256 px, most of which is the recogniser's, whose crop has 150 px
whatever the picture. Tone, light and the large features do not need more.
"""

from __future__ import annotations

from collections.abc import Callable

from ganfit_nb.fitting.objective import Objective

COARSE_STEPS, COARSE_SHARE = 40, 0.4  # so many steps are coarse, but of a short fit no more than this share
SMALLEST = 128  # px; a recogniser sees too little in smaller pictures


def coarse_side(size: int) -> int:
    """The side of the pictures that a fit at `size` px begins with."""
    return min(size, max(SMALLEST, size // 2))


def coarse_to_fine(objective: Objective, steps: int) -> Callable[[int], Objective]:
    """The objective to descend at each step of a joint stage of so many steps. The last one is always fine."""
    coarse = objective.at(coarse_side(objective.size))
    first_fine = min(COARSE_STEPS, int(COARSE_SHARE * steps))
    return lambda index: coarse if index < first_fine else objective
