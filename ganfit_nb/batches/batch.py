"""Fits many photos in several processes or on several machines. A photo that fails does not stop the others.

    for outcome in fit_all(tasks_of(named_photos([Path("photos")]), Path("results"), Recipe())):
        print(outcome.name, outcome.reason or outcome.identity_distance)

A batch keeps its state in the results on the disk alone. A photo with a finished result is not fitted again. A photo
that a killed batch left half-done is fitted from its beginning. joblib runs the fits, so
`with joblib.parallel_config(backend="dask"):` around the loop sends them to the machines of a Dask cluster. All of them
must see the photos and the results under the same paths.
"""

from __future__ import annotations

import csv
import hashlib
import multiprocessing
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

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
from ganfit_nb.fitting.steps import FitStep
from ganfit_nb.photos.photo import Photo
from ganfit_nb.results.recipe import Recipe

ATTEMPTS = 2  # a photo is given up after so many processes have died while they fitted it
BEGUN = ".ganfit-begun"  # folder with one mark for each photo that is being fitted
TABLE = "batch.csv"
FIGURES = ("identity_distance", "landmark_error", "seconds")  # of a fit.json
LESS_MEMORY = "if memory is short, fit fewer at a time"


@dataclass(frozen=True)
class Task:
    """One fit: `photo` is fitted by `recipe`, and the result goes to the folder out/name.

    With `brief` only fit.json is written. All other files can be made from it.
    """

    name: str
    photo: Path
    out: Path
    recipe: Recipe
    brief: bool = False

    @property
    def directory(self) -> Path:
        """The folder of the result."""
        return self.out / self.name

    @property
    def mark(self) -> Path:
        """A file that exists while the photo is being fitted. It holds the number of processes that have begun to."""
        return self.out / BEGUN / hashlib.sha1(os.fsencode(self.name)).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """The outcome for one photo: some figures of its fit.json, or the reason why it has none.

    `earlier` says that an earlier batch fitted it.
    """

    name: str
    photo: str
    status: Literal["fitted", "failed"]
    reason: str = ""
    identity_distance: float | None = None
    landmark_error: float | None = None
    seconds: float | None = None
    earlier: bool = False


T = TypeVar("T")
Work = Callable[[Sequence[Task]], Iterator[Outcome]]
COLUMNS = [field.name for field in fields(Outcome)]  # the columns of batch.csv


def tasks_of(photos: Mapping[str, Path], out: Path, recipe: Recipe, brief: bool = False) -> list[Task]:
    """A task for every named photo. Paths are made absolute, because a worker may run in another folder."""
    recipe = recipe.absolute()
    return [Task(name, photo.absolute(), out.absolute(), recipe, brief) for name, photo in photos.items()]


def spread(calls: Iterable[Any]) -> Generator[Any, None, None]:
    """Runs delayed calls with the joblib backend that is configured, and yields results in the order of completion."""
    return Parallel(return_as="generator_unordered", batch_size=1)(calls)


def fit_each(tasks: Sequence[Task]) -> Iterator[Outcome]:
    """Fits each photo by itself, as many at a time as joblib has workers."""
    return spread(delayed(fit_one)(task) for task in tasks)


def fit_one(task: Task) -> Outcome:
    """Fits one photo in this process. When that fails, the outcome holds the reason."""
    return attempted(task, lambda: finished(task) or _write(task))  # a worker that was lost may have finished it before


def attempted(task: Task, work: Callable[[], T]) -> T | Outcome:
    """What the work for a task gives. When it fails, an outcome holds the reason."""
    begun = int(task.mark.read_text() or 0) if task.mark.exists() else 0
    if begun >= ATTEMPTS:
        return failed(task, f"{ATTEMPTS} processes died while they fitted it; {LESS_MEMORY}")
    task.mark.write_text(str(begun + 1))
    try:
        remove_leftovers(task.directory)
        return work()
    except GanfitError as error:
        return failed(task, error.sentence)
    except Exception as error:  # a photo that breaks a library must not stop the others
        return failed(task, f"{type(error).__name__}: {error}")
    finally:
        task.mark.unlink(missing_ok=True)


def fit_all(tasks: Iterable[Task], work: Work = fit_each) -> Generator[Outcome, None, None]:
    """Yields the outcome of every task. Those finished before come at once, the others when their fit ends.

    The call raises GanfitError when a finished result was made with other settings, when something else is in a
    result's place, or when another batch works in the folder. It is also raised, before any photo is fitted, when a
    part of a recipe is missing. The caller may stop at any time. `work` fits photos that have no result.
    """
    places: dict[Path, list[Task]] = {}
    for task in tasks:
        places.setdefault(task.out, []).append(task)
    for out, there in places.items():
        claim_results(out, (task.name for task in there), reserved=(TABLE, BEGUN, LOCK))
    found = {task: finished(task) for there in places.values() for task in there}
    outcomes = _outcomes(list(places), found, work)
    next(outcomes)  # locks the folders now, not at the first request for an outcome
    return outcomes


def _outcomes(places: Sequence[Path], found: Mapping[Task, Outcome | None], work: Work) -> Generator[Any, None, None]:
    """Yields None once, as soon as the folders are locked, then the outcomes."""
    with ExitStack() as locks:
        for out in places:
            locks.enter_context(locked(out))
            locks.enter_context(_marks(out))
        yield
        yield from (replace(outcome, earlier=True) for outcome in found.values() if outcome)
        yield from _fit({task.name: task for task, outcome in found.items() if not outcome}, work)


@contextmanager
def _marks(out: Path) -> Iterator[None]:
    """Keeps the folder of marks within the block. Marks that a killed batch left are removed first."""
    folder = out / BEGUN
    folder.mkdir(exist_ok=True)
    try:
        _remove_marks(folder)
        yield
    finally:
        _remove_marks(folder)
        with suppress(OSError):  # the folder is not empty: something in it is not ours
            folder.rmdir()


def _remove_marks(folder: Path) -> None:
    for mark in folder.glob("[0-9a-f]" * 40):
        mark.unlink()


def _fit(todo: dict[str, Task], work: Work) -> Iterator[Outcome]:
    """Fits the photos and yields each outcome when its fit ends."""
    if not todo:
        return
    try:
        list(spread(delayed(recipe.load)() for recipe in {task.recipe for task in todo.values()}))
    except BrokenProcessPool as error:
        raise GanfitError(f"A process died while it loaded the models; {LESS_MEMORY}.", "jobs") from error
    while todo:
        # When a process has died, the photos under way are tried one at a time: the next death shows the cause.
        suspects = [task for task in todo.values() if task.mark.exists()]
        try:
            for outcome in work(suspects[:1] or list(todo.values())):
                del todo[outcome.name]
                yield outcome
        except BrokenProcessPool as error:
            if not any(task.mark.exists() for task in todo.values()):
                raise GanfitError(f"Processes die before they begin; {LESS_MEMORY}.", "jobs") from error


def _write(task: Task) -> Outcome:
    parent, steps = os.getppid(), []
    photo = task.recipe.photo(task.photo)
    for step in task.recipe.steps(photo):
        steps.append(step)
        if multiprocessing.parent_process() and os.getppid() != parent:
            os._exit(1)  # the batch was killed; a new one may be running and fit this photo, too
    return write_result(task, photo, steps)


def write_result(task: Task, photo: Photo, steps: list[FitStep]) -> Outcome:
    """Writes what the steps have reached."""
    task.recipe.result(photo, steps).write(task.directory, task.brief)
    return _fitted(task, fit_record(task))


def finished(task: Task) -> Outcome | None:
    """The outcome of a result on the disk, or None when the photo has yet to be fitted.

    It is fitted when there is no result, when the result was interrupted, and when the photo is newer. Raises
    GanfitError when the result was made with other settings: it must neither be overwritten nor count as this one.
    """
    record = stored_record(task.directory / RESULT, RECORD, task.photo)
    if not record or record["interrupted"] or not record.keys() >= set(FIGURES):
        return None
    if difference := task.recipe.differs_from(record):
        raise GanfitError(f"{task.directory} was made with other settings ({difference}); choose another folder.")
    return _fitted(task, record)


def fit_record(task: Task) -> dict[str, Any]:
    """The content of the task's fit.json; empty when there is none."""
    return read_record(task.directory / RESULT)


def _fitted(task: Task, record: Mapping[str, Any]) -> Outcome:
    return Outcome(task.name, str(task.photo), "fitted", **{name: record[name] for name in FIGURES})


def failed(task: Task, reason: str) -> Outcome:
    """The outcome of a task that came to nothing."""
    return Outcome(task.name, str(task.photo), "failed", reason)


def written(outcomes: Iterable[Outcome], out: Path) -> Generator[Outcome, None, None]:
    """Passes the outcomes on and adds each to out/batch.csv, so the table is complete whenever the batch ends.

    The call raises GanfitError when a file of that name is not ours.
    """
    claim_file(out / TABLE, has_header(COLUMNS))
    return _written(outcomes, out / TABLE)


def _written(outcomes: Iterable[Outcome], table: Path) -> Generator[Outcome, None, None]:
    for number, outcome in enumerate(outcomes):
        # File names are not always valid Unicode.
        with table.open("a" if number else "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            if not number:
                csv.writer(file).writerow(COLUMNS)
            csv.writer(file).writerow(asdict(outcome).values())
        yield outcome
