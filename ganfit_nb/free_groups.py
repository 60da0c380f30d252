"""Which of the five groups of parameters a fit may move."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass
class FreeGroups:
    """True for every group that moves, False for one that is frozen: it keeps its value until it is free again.

    Mutable on purpose, like LossWeights: a fit reads it at every step, so a change takes part in the next update.
    """

    identity: bool = True
    expression: bool = True
    texture: bool = True
    camera: bool = True
    light: bool = True

    def names(self) -> set[str]:
        """The groups that move."""
        return {name for name, free in asdict(self).items() if free}
