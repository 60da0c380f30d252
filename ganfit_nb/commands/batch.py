"""The part that all commands for many photos share: options, progress bar, and report of failures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ganfit_nb.errors import GanfitError

if TYPE_CHECKING:
    from ganfit_nb.batches.batch import Outcome, Task, Work


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the options that choose where the work is done."""
    command.add_argument("--jobs", type=int, metavar="N", help="photos at a time (default: as cores and memory allow)")
    command.add_argument("--scheduler", metavar="ADDRESS", help="work on a Dask cluster, e.g. tcp://host:8786")


def run(tasks: Sequence[Task], options: argparse.Namespace, out: Path) -> list[Outcome]:
    """Fits the photos that have no result yet. A bar shows their number and the time left, and failures as they come.

    All outcomes are also written to out/batch.csv.
    """
    from ganfit_nb.batches.batch import fit_all, fit_each, written
    from ganfit_nb.batches.workers import workers

    if len({task.photo for task in tasks}) > 1:
        refuse_options_of_one_photo(options)
    outcomes, work = [], _work(tasks, options)
    with (
        workers(options.jobs if work is fit_each else None, options.scheduler),
        closing(fit_all(tasks, work)) as fits,
        closing(written(fits, out)) as told,
        tqdm(total=len(tasks), unit="photo", smoothing=0.0, dynamic_ncols=True) as bar,
    ):
        for outcome in told:
            outcomes.append(outcome)
            if outcome.status == "failed":
                bar.write(f"{outcome.name}: {outcome.reason}", file=sys.stderr)
            bar.set_postfix_str(f"{failures(outcomes)} failed", refresh=False)
            if outcome.earlier:
                bar.initial += 1  # so that it does not change the estimate of the time left
            bar.update()
    return outcomes


def refuse_options_of_one_photo(options: argparse.Namespace) -> None:
    """GanfitError when an option says something about one photo, where there are several."""
    from ganfit_nb.photos.landmark_file import SUFFIXES

    if options.landmarks.lower().endswith(SUFFIXES):
        raise GanfitError(f"{options.landmarks} belongs to one photo; fit each photo with its own file.")
    if options.face is not None:
        raise GanfitError("--face belongs to one photo; fit the photos with several faces one by one.")


def _work(tasks: Sequence[Task], options: argparse.Namespace) -> Work:
    """Each photo by itself; on a GPU of this machine as many in one program as --jobs says, or its memory allows."""
    from ganfit_nb.batches.batch import fit_each
    from ganfit_nb.batches.together import faces_at_once, fit_together

    if options.scheduler or not tasks or tasks[0].recipe.config.device == "cpu":
        return fit_each
    if options.jobs is not None and options.jobs < 1:
        raise GanfitError(f"A batch needs at least one job, not {options.jobs}.", "jobs")
    return partial(fit_together, at_once=options.jobs or faces_at_once(tasks[0].recipe.config))


def failures(outcomes: Sequence[Outcome]) -> int:
    """The number of failures among the outcomes."""
    return sum(outcome.status == "failed" for outcome in outcomes)
