"""A fit behind a progress bar, with what it reached when it is broken off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from tqdm import tqdm

from ganfit_nb.commands.console import complain
from ganfit_nb.errors import GanfitError
from ganfit_nb.fitting.steps import FitStep, SetStep

S = TypeVar("S", FitStep, SetStep)


def fit_with_progress(
    steps: Iterator[S], updates: int, label: str, words: Callable[[S], str], interrupted: Callable[[], bool]
) -> tuple[list[S], bool]:
    """The steps until the fit ends, goes bad or is interrupted, and whether it ended before its last update.

    A bar counts the updates; `words` says what stands behind it.
    """
    done: list[S] = []
    with tqdm(total=updates, desc=label, unit="step", dynamic_ncols=True) as bar:
        for step in _good(steps, interrupted):
            done.append(step)
            bar.set_postfix_str(words(step), refresh=False)
            bar.update(step.index - bar.n if step.stage == "joint" else 0)
    return done, (done[-1].stage, done[-1].index) != ("joint", updates)


def _good(steps: Iterator[S], interrupted: Callable[[], bool]) -> Iterator[S]:
    """The steps until the fit ends, is interrupted or goes bad, which is told; what came before it is kept."""
    begun = False
    try:
        for step in steps:
            begun = True
            yield step
            if interrupted():
                return
    except GanfitError as error:
        if not begun:
            raise
        complain(error)
