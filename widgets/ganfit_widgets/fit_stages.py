"""What the players of fits share: a fit's stages (Sec. 3.4), and how much of them is still ahead."""

from __future__ import annotations

from typing import Any

from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.fitting.stages import ALIGN_STEPS, CONSISTENCY_STEPS
from ganfit_nb.fitting.steps import FitStep, SetStep
from ganfit_widgets.step_player import StepPlayer

# A step of the joint stage, or of the one in which photos agree, in steps of the alignment: 1.02 s and 0.35 s at 192
# pixels on busy cores.
JOINT_EFFORT = 3.0


class FitStages(StepPlayer):
    """A StepPlayer whose steps are those of a fit with this `config`. Where a step holds several, override `one`."""

    config: FitConfig

    def one(self, step: Any) -> FitStep | SetStep:
        """That which says the stage."""
        return step

    def describe(self, steps: list[Any]) -> str:
        """Stage and step, and computing time."""
        return f"<b>{self.one(steps[-1]).stage}</b> {self.counted(steps)} · {self.one(steps[-1]).seconds:.1f} s"

    def remaining(self, steps: list[Any]) -> int | None:
        """Steps of the joint stage that are left; how many the alignment takes, nobody knows."""
        step = self.one(steps[-1])
        return max(0, self.config.steps - step.index) if step.stage == "joint" else None

    def effort(self, step: Any) -> float:
        """A step of the alignment is 1."""
        return 1.0 if self.one(step).stage == "align" else JOINT_EFFORT

    def effort_left(self, steps: list[Any]) -> float:
        """Of all stages; those before the joint one may settle before their last step."""
        step = self.one(steps[-1])
        if step.stage == "joint":
            return JOINT_EFFORT * (self.config.steps - step.index)
        agreeing = isinstance(step, SetStep) and len(step.steps) > 1 and self.config.consistency
        later = JOINT_EFFORT * (self.config.steps + 1 + CONSISTENCY_STEPS * agreeing)
        return later + (ALIGN_STEPS - step.index if step.stage == "align" else -JOINT_EFFORT * step.index)
