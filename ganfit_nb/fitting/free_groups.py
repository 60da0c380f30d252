"""Which of the five groups of parameters a fit may move."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ganfit_nb.values import require_field


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

    def __setattr__(self, name: str, value: Any) -> None:
        """Frees or freezes a group; GanfitError when there is no such group."""
        require_field(self, name)
        super().__setattr__(name, bool(value))

    def names(self) -> set[str]:
        """The groups that move."""
        return {name for name, free in asdict(self).items() if free}
