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
import multiprocessing
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from joblib import Parallel, delayed

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.outputs import (
    LOCK,
    RECORD,
    RESULT,
    claim_file,
    claim_results,
    has_header,
    locked,
    read_record,
    remove_leftovers,
)
from ganfit_nb.files.stored import stored_record
from ganfit_nb.results.recipe import Recipe

ATTEMPTS = 2  # so many processes may die over a photo before it is given up
BEGUN = ".ganfit-begun"  # folder of marks of photos being fitted
TABLE = "batch.csv"
FIGURES = ("identity_distance", "landmark_error", "seconds")  # of a fit.json
LESS_MEMORY = "if memory is short, fit fewer at a time"


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
        return self.out / BEGUN / hashlib.sha1(os.fsencode(self.name)).hexdigest()


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


COLUMNS = [field.name for field in fields(Outcome)]  # of batch.csv


def tasks_of(photos: Mapping[str, Path], out: Path, recipe: Recipe, brief: bool = False) -> list[Task]:
    """A task for every named photo. Paths are made absolute: a worker need not run in this folder."""
    recipe = recipe.absolute()
    return [Task(name, photo.absolute(), out.absolute(), recipe, brief) for name, photo in photos.items()]


def fit_all(tasks: Iterable[Task]) -> Generator[Outcome, None, None]:
    """Yields the outcome of every task: at once of those finished before, then of the others as they are done.

    GanfitError, at once, when a finished result was made with other settings, when something else is in a result's
    place, or when another batch works in the folder; and before anything is fitted when a part of a recipe is missing.
    The caller may break off at any time.
    """
    places: dict[Path, list[Task]] = {}
    for task in tasks:
        places.setdefault(task.out, []).append(task)
    for out, there in places.items():
        claim_results(out, (task.name for task in there), reserved=(TABLE, BEGUN, LOCK))
    outcomes = _outcomes(list(places), {task: finished(task) for there in places.values() for task in there})
    next(outcomes)  # takes possession of the folders now
    return outcomes


def _outcomes(places: Sequence[Path], found: Mapping[Task, Outcome | None]) -> Generator[Any, None, None]:
    """First nothing, when the folders are locked, then the outcomes."""
    with ExitStack() as locks:
        for out in places:
            locks.enter_context(locked(out))
            locks.enter_context(_marks(out))
        yield
        yield from (replace(outcome, earlier=True) for outcome in found.values() if outcome)
        yield from _fit({task.name: task for task, outcome in found.items() if not outcome})


@contextmanager
def _marks(out: Path) -> Iterator[None]:
    """A folder for the marks of photos being fitted, without those of a batch that was killed."""
    folder = out / BEGUN
    folder.mkdir(exist_ok=True)
    try:
        _remove_marks(folder)
        yield
    finally:
        _remove_marks(folder)
        with suppress(OSError):  # something that is not ours lies in it
            folder.rmdir()


def _remove_marks(folder: Path) -> None:
    for mark in folder.glob("[0-9a-f]" * 40):
        mark.unlink()


def _fit(todo: dict[str, Task]) -> Iterator[Outcome]:
    """The outcomes of the tasks as they are done."""
    if not todo:
        return
    try:
        list(spread(delayed(recipe.load)() for recipe in {task.recipe for task in todo.values()}))
    except BrokenProcessPool as error:
        raise GanfitError(f"A process died while it loaded the models; {LESS_MEMORY}.", "jobs") from error
    while todo:
        # After a death the suspects are tried one at a time, so that the next death tells whose it is.
        suspects = [task for task in todo.values() if task.mark.exists()]
        try:
            for outcome in spread(delayed(fit_one)(task) for task in suspects[:1] or list(todo.values())):
                del todo[outcome.name]
                yield outcome
        except BrokenProcessPool as error:
            if not any(task.mark.exists() for task in todo.values()):
                raise GanfitError(f"Processes die before they begin; {LESS_MEMORY}.", "jobs") from error


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
        return _failed(task, error.sentence)
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
    record = stored_record(task.directory / RESULT, RECORD, task.photo)
    if not record or record["interrupted"] or not record.keys() >= set(FIGURES):
        return None
    if difference := task.recipe.differs_from(record):
        raise GanfitError(f"{task.directory} was made with other settings ({difference}); choose another folder.")
    return _fitted(task, record)


def fit_record(task: Task) -> dict[str, Any]:
    """The content of a finished task's fit.json."""
    return read_record(task.directory / RESULT)


def _fitted(task: Task, record: Mapping[str, Any]) -> Outcome:
    return Outcome(task.name, str(task.photo), "fitted", **{name: record[name] for name in FIGURES})


def _failed(task: Task, reason: str) -> Outcome:
    return Outcome(task.name, str(task.photo), "failed", reason)


def written(outcomes: Iterable[Outcome], out: Path) -> Generator[Outcome, None, None]:
    """The same outcomes, each added to out/batch.csv as it passes: whenever the batch ends, it tells all so far.

    GanfitError, at once, when a file of that name is not ours.
    """
    claim_file(out / TABLE, has_header(COLUMNS))
    return _written(outcomes, out / TABLE)


def _written(outcomes: Iterable[Outcome], table: Path) -> Generator[Outcome, None, None]:
    for number, outcome in enumerate(outcomes):
        # Names of files need not be Unicode.
        with table.open("a" if number else "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            if not number:
                csv.writer(file).writerow(COLUMNS)
            csv.writer(file).writerow(asdict(outcome).values())
        yield outcome
