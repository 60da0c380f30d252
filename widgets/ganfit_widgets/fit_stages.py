"""The base of players of fits: it knows a fit's stages (Sec. 3.4), and estimates how much of them is left."""

from __future__ import annotations

from typing import Any

from ganfit_nb.fitting.before_joint import ALIGN_STEPS, CONSISTENCY_STEPS
from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.fitting.steps import FitStep, SetStep
from ganfit_widgets.step_player import StepPlayer

# The time of a step of the joint or consistency stage, in steps of the alignment. They were 1.02 s and 0.35 s at 192
# pixels on busy cores.
JOINT_EFFORT = 3.0


class FitStages(StepPlayer):
    """A StepPlayer for fits with this `config`. Subclasses whose step holds several FitSteps override `one`."""

    config: FitConfig

    def one(self, step: Any) -> FitStep | SetStep:
        """The part of a step that has a stage and an index."""
        return step

    def describe(self, steps: list[Any]) -> str:
        """The stage, the step and the computing time."""
        return f"<b>{self.one(steps[-1]).stage}</b> {self.counted(steps)} · {self.one(steps[-1]).seconds:.1f} s"

    def remaining(self, steps: list[Any]) -> int | None:
        """The number of steps left in the joint stage. None in the stages before, whose length is unknown."""
        step = self.one(steps[-1])
        return max(0, self.config.steps - step.index) if step.stage == "joint" else None

    def effort(self, step: Any) -> float:
        """The time of a step, in steps of the alignment."""
        return 1.0 if self.one(step).stage == "align" else JOINT_EFFORT

    def effort_left(self, steps: list[Any]) -> float:
        """The time of all stages that are left, at most: those before the joint stage may end early."""
        step = self.one(steps[-1])
        if step.stage == "joint":
            return JOINT_EFFORT * (self.config.steps - step.index)
        agreeing = isinstance(step, SetStep) and len(step.steps) > 1 and self.config.consistency
        later = JOINT_EFFORT * (self.config.steps + 1 + CONSISTENCY_STEPS * agreeing)
        return later + (ALIGN_STEPS - step.index if step.stage == "align" else -JOINT_EFFORT * step.index)
