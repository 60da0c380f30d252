"""Many photos of a batch in one program, so that a GPU has enough to do.

Landmarks, alignment and the writing of results are work for processors and go to joblib's workers. The joint stage of
all photos of a group is one program on the GPU. Both go on at the same time: while one group is fitted, the results of
the group before it are written and the group after it is aligned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import torch
from joblib import delayed

from ganfit_nb.batches.batch import Outcome, Task, attempted, failed, finished, spread, write_result
from ganfit_nb.errors import GanfitError
from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.fitting.steps import FitStep
from ganfit_nb.photos.photo import Photo
from ganfit_nb.results.recipe import Recipe

FACE_MB = 250  # of a GPU's memory that a face of 256 pixels takes at most
SPARE = 0.2  # share of the free memory that is left
MOST = 64  # faces in a group: more keep a GPU no busier, and the workers wait longer for it


def faces_at_once(config: FitConfig) -> int:
    """As many as the GPU's free memory allows."""
    free, _ = torch.cuda.mem_get_info()
    face = FACE_MB * 2**20 * max(1.0, (config.size / 256) ** 2)
    return max(1, min(MOST, int((1 - SPARE) * free / face)))


@dataclass(frozen=True)
class _Aligned:
    """A photo whose joint stage is to come."""

    task: Task
    photo: Photo
    steps: list[FitStep]


def fit_together(tasks: Sequence[Task], at_once: int) -> Iterator[Outcome]:
    """The outcomes of the tasks, whose joint stages run in groups of `at_once`. A photo that fails fails alone."""
    recipes = dict.fromkeys(task.recipe for task in tasks)
    groups = [group for recipe in recipes for group in _groups(tasks, recipe, at_once)]
    aligned, outcomes = _sorted(spread(delayed(_align)(task) for task in groups[0]))
    yield from outcomes
    done: list[_Aligned] = []
    for following in [*groups[1:], []]:
        with closing(spread([*map(delayed(_write), done), *map(delayed(_align), following)])) as working:
            done, failures = _joint(aligned)
            aligned, outcomes = _sorted(working)
        yield from (*failures, *outcomes)
    yield from spread(map(delayed(_write), done))


def _groups(tasks: Sequence[Task], recipe: Recipe, at_once: int) -> list[list[Task]]:
    own = [task for task in tasks if task.recipe == recipe]
    return [own[first : first + at_once] for first in range(0, len(own), at_once)]


def _sorted(results: Iterator[_Aligned | Outcome]) -> tuple[list[_Aligned], list[Outcome]]:
    """Who goes on, and who has come to an end."""
    everything = list(results)
    return [r for r in everything if isinstance(r, _Aligned)], [r for r in everything if isinstance(r, Outcome)]


def _align(task: Task) -> _Aligned | Outcome:
    def aligned() -> _Aligned | Outcome:
        if outcome := finished(task):
            return outcome
        photo = task.recipe.photo(task.photo)
        return _Aligned(task, photo, task.recipe.aligned(photo))

    return attempted(task, aligned)


def _write(fit: _Aligned) -> Outcome:
    return attempted(fit.task, partial(write_result, fit.task, fit.photo, fit.steps))


def _joint(group: Sequence[_Aligned]) -> tuple[list[_Aligned], list[Outcome]]:
    """The same photos with the steps of the joint stage, and those that failed. When a program fails, its halves are
    tried: so memory suffices in the end, and a photo that goes bad is alone at last."""
    if not group:
        return [], []
    steps: list[list[FitStep]] = [[] for _ in group]
    try:
        for turn in group[0].task.recipe.together([one.photo for one in group], [one.steps[-1] for one in group]):
            for record, step in zip(steps, turn, strict=True):
                record.append(step)
    except (GanfitError, torch.OutOfMemoryError) as error:
        if len(group) == 1:
            return [], [failed(group[0].task, str(error))]
        halves = [_joint(group[: len(group) // 2]), _joint(group[len(group) // 2 :])]
        return [one for done, _ in halves for one in done], [one for _, failed in halves for one in failed]
    fitted = zip(group, steps, strict=True)
    return [_Aligned(one.task, one.photo, [*one.steps, *joint]) for one, joint in fitted], []
