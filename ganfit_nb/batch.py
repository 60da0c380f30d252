"""Fits of many photos, spread over processes or machines; one that fails, or kills its process, stops no other.

    for outcome in fit_all(tasks_of(named_photos([Path("photos")]), Path("results"), Recipe())):
        print(outcome.name, outcome.reason or outcome.identity_distance)

The results on disk are the only memory: what is finished there is not done again, what a killed batch left half-done is
begun anew. Work goes through joblib, so `with joblib.parallel_config(backend="dask"):` around the loop sends it to the
machines of a Dask cluster, which must all see the photos and the results under the same paths.
"""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from joblib import Parallel, delayed

from ganfit_nb.errors import GanfitError
from ganfit_nb.export import remove_leftovers, writable_directory
from ganfit_nb.photo_files import RESULT
from ganfit_nb.recipe import Recipe

ATTEMPTS = 2  # so many processes may die over a photo before it is given up
BEGUN = ".begun"  # folder of marks of photos being fitted
LESS_MEMORY = "if memory is short, run fewer --jobs"


@dataclass(frozen=True)
class Task:
    """One fit: `photo` by `recipe` to the folder out/name. `brief` writes fit.json alone; the rest follows from it."""

    name: str
    photo: Path
    out: Path
    recipe: Recipe
    brief: bool = False

    @property
    def directory(self) -> Path:
        """Where the result goes."""
        return self.out / self.name

    @property
    def mark(self) -> Path:
        """A file that exists while the photo is being fitted; it counts the processes that have begun."""
        return self.out / BEGUN / hashlib.sha1(self.name.encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What became of one photo: the figures of its fit.json, or why there is none. `earlier`: another batch did it."""

    name: str
    photo: str
    status: Literal["fitted", "failed"]
    reason: str = ""
    identity_distance: float | None = None
    landmark_error: float | None = None
    seconds: float | None = None
    earlier: bool = False


def tasks_of(photos: Mapping[str, Path], out: Path, recipe: Recipe, brief: bool = False) -> list[Task]:
    """A task for every named photo. Paths are made absolute: a worker need not run in this folder."""
    return [Task(name, photo.absolute(), out.absolute(), recipe, brief) for name, photo in photos.items()]


def fit_all(tasks: Iterable[Task]) -> Generator[Outcome, None, None]:
    """Yields the outcome of every task: at once of those finished before, then of the others as they are done.

    GanfitError, before anything is fitted, when a part of the recipe is missing or when a finished result was made with
    other settings. Names of tasks must differ. The caller may break off at any time.
    """
    found = {task: finished(task) for task in tasks}
    yield from (replace(outcome, earlier=True) for outcome in found.values() if outcome)
    todo = {task.name: task for task, outcome in found.items() if not outcome}
    if not todo:
        return
    places = {task.out for task in todo.values()}
    for out in places:
        shutil.rmtree(out / BEGUN, ignore_errors=True)
        (writable_directory(out) / BEGUN).mkdir(exist_ok=True)
    try:
        list(spread(delayed(recipe.load)() for recipe in {task.recipe for task in todo.values()}))
    except BrokenProcessPool as error:
        raise GanfitError(f"A process died while it loaded the models; {LESS_MEMORY}.") from error
    while todo:
        # After a death the suspects are tried one at a time, so that the next death tells whose it is.
        suspects = [task for task in todo.values() if task.mark.exists()]
        try:
            for outcome in spread(delayed(fit_one)(task) for task in suspects[:1] or list(todo.values())):
                del todo[outcome.name]
                yield outcome
        except BrokenProcessPool as error:
            if not any(task.mark.exists() for task in todo.values()):
                raise GanfitError(f"Processes die before they begin; {LESS_MEMORY}.") from error
    for out in places:
        shutil.rmtree(out / BEGUN, ignore_errors=True)


def spread(calls: Iterable[Any]) -> Iterator[Any]:
    """Results of joblib's delayed calls in the order of their completion, under whatever joblib is configured to."""
    return Parallel(return_as="generator_unordered", batch_size=1)(calls)


def fit_one(task: Task) -> Outcome:
    """Fits one photo in this process; whatever goes wrong with it is the outcome's reason."""
    begun = int(task.mark.read_text() or 0) if task.mark.exists() else 0
    if begun >= ATTEMPTS:
        return _failed(task, f"{ATTEMPTS} processes died while they fitted it; {LESS_MEMORY}")
    task.mark.write_text(str(begun + 1))
    try:
        remove_leftovers(task.directory)
        return finished(task) or _write(task)  # finished perhaps by a worker that was lost before it could say so
    except GanfitError as error:
        return _failed(task, str(error))
    except Exception as error:  # a photo that breaks a library must not stop the others
        return _failed(task, f"{type(error).__name__}: {error}")
    finally:
        task.mark.unlink(missing_ok=True)


def _write(task: Task) -> Outcome:
    parent, steps = os.getppid(), []
    photo = task.recipe.photo(task.photo)
    for step in task.recipe.steps(photo):
        steps.append(step)
        if multiprocessing.parent_process() and os.getppid() != parent:
            os._exit(1)  # the batch was killed and may have been begun anew: nothing is to be done twice
    task.recipe.result(photo, steps).write(task.directory, task.brief)
    return _fitted(task, fit_record(task))


def finished(task: Task) -> Outcome | None:
    """The outcome on disk, None where the photo has yet to be fitted: no result, half a fit, or a newer photo.

    GanfitError when the result was made with other settings: it must neither be lost nor taken for this one.
    """
    try:
        record = fit_record(task)
        if record["interrupted"] or task.photo.stat().st_mtime > (task.directory / RESULT).stat().st_mtime:
            return None
    except (OSError, ValueError, KeyError):
        return None
    if difference := task.recipe.differs_from(record):
        raise GanfitError(f"{task.directory} was made with other settings ({difference}); choose another --out.")
    return _fitted(task, record)


def fit_record(task: Task) -> dict[str, Any]:
    """The content of a finished task's fit.json."""
    return json.loads((task.directory / RESULT).read_text(encoding="utf-8"))


def _fitted(task: Task, record: Mapping[str, Any]) -> Outcome:
    figures = {name: record[name] for name in ("identity_distance", "landmark_error", "seconds")}
    return Outcome(task.name, str(task.photo), "fitted", **figures)


def _failed(task: Task, reason: str) -> Outcome:
    return Outcome(task.name, str(task.photo), "failed", reason)


def written(outcomes: Iterable[Outcome], table: Path) -> Iterator[Outcome]:
    """The same outcomes, each added to a CSV file as it passes: whenever the batch ends, the table tells all so far."""
    for number, outcome in enumerate(outcomes):
        with table.open("a" if number else "w", newline="", encoding="utf-8") as file:
            if not number:
                csv.writer(file).writerow(field.name for field in fields(Outcome))
            csv.writer(file).writerow(asdict(outcome).values())
        yield outcome
