"""The stages before the joint one, by Gauss-Newton: `alignment.py`, and for several photos `consistency.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

from torch import Tensor

from ganfit_nb.fitting.alignment import SETTLED, LandmarkEnergy, landmark_energy
from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.fitting.consistency import AGREED, Agreement, Consistency
from ganfit_nb.fitting.free_groups import FreeGroups
from ganfit_nb.fitting.gauss_newton import Energy, NewtonState, damped_update
from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.fitting.objective import Objective
from ganfit_nb.fitting.steps import SetStep
from ganfit_nb.fitting.turn import evaluated, set_steps
from ganfit_nb.parameters import FaceParameters

ALIGN_STEPS, CONSISTENCY_STEPS = 20, 40


@dataclass(frozen=True)
class _Turn:
    """The energies of one update, the relative decrease that ends the stage, and what is shown beside the losses."""

    energies: Sequence[Energy]
    settled: float
    terms: dict[str, Tensor]


class BeforeJoint:
    """The stages before the joint one, which each person passes alone."""

    def __init__(
        self, objective: Objective, person: int, config: FitConfig, weights: LossWeights, free: FreeGroups
    ) -> None:
        self.config, self.weights, self.free = config, weights, free
        self.objective = objective.only(person)

    def stages(self, start: SetStep | None) -> Iterator[SetStep]:
        """The alignment, and with several photos their agreement; from a step of either, or the mean face."""
        step = start
        if step is None or step.stage == "align":
            for step in self._newton("align", self._aligning, ALIGN_STEPS, start):
                yield step
        if len(self.objective.photos) > 1 and self.config.consistency:
            consistency = Consistency(self.objective.photos, self.objective.model)

            def agreeing(parameters: Sequence[FaceParameters]) -> _Turn:
                agreement = Agreement(consistency, parameters)
                told = agreement.disagreement.expand(len(parameters))
                return _Turn([self._landmarks(parameters), agreement], AGREED, {"consistency": told})

            yield from self._newton("consistency", agreeing, CONSISTENCY_STEPS, step)

    def _aligning(self, parameters: Sequence[FaceParameters]) -> _Turn:
        return _Turn([self._landmarks(parameters)], SETTLED, {})

    def _landmarks(self, parameters: Sequence[FaceParameters]) -> LandmarkEnergy:
        of = self.objective
        return landmark_energy(of.photos, of.model, of.shape_priors[0], parameters)

    def _newton(
        self,
        stage: str,
        turn: Callable[[Sequence[FaceParameters]], _Turn],
        steps: int,
        start: SetStep | None,
    ) -> Iterator[SetStep]:
        """A stage of damped Gauss-Newton updates, until they settle: from a step of its own, the last one of the stage
        before it, or the mean face."""
        of = self.objective
        seconds, clock = start.seconds if start else 0.0, perf_counter()
        mean = of.model.mean_parameters()
        parameters = [step.parameters for step in start.steps] if start else [mean] * len(of.photos)
        resumed = start is not None and start.stage == stage
        state, first = (start.steps[0].optimizer, start.index) if start and resumed else (NewtonState(), 0)
        assert isinstance(state, NewtonState)
        for index in range(first, steps + 1):
            now = turn(parameters)
            terms = self.weights.only("landmark", "shape_prior")
            found = evaluated(of, of.views.together(parameters), terms, index).beside(now.terms)
            seconds += perf_counter() - clock
            (step,) = set_steps(of, found, stage, index, seconds, self.config, state)
            if not resumed or index > first:
                yield step
            clock = perf_counter()
            if state.converged:
                break
            parameters, state = damped_update(now.energies, parameters, state, self.free.names(), now.settled)
