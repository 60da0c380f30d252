"""`ganfit fit … --same-person` fits photos, or the frames of a video, as one image set (Eq. 13)."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ganfit_nb.commands.progress import fit_with_progress
from ganfit_nb.errors import GanfitError

if TYPE_CHECKING:
    from ganfit_nb.fitting.steps import SetStep
    from ganfit_nb.photos.photo import Photo
    from ganfit_nb.results.recipe import Recipe
    from ganfit_nb.results.set_result import SetResult


def run(named: Mapping[str, Path], recipe: Recipe, options: argparse.Namespace) -> int:
    """Fits all photos together. On Ctrl-C the fit so far is written, marked as interrupted."""
    from ganfit_nb.commands.fit import tell_notes
    from ganfit_nb.files.interrupts import interrupts_noted
    from ganfit_nb.files.outputs import claim_results, writable_directory
    from ganfit_nb.results.set_result import SHARED

    if options.scheduler:
        raise GanfitError("Photos of one person are fitted in one process; leave --scheduler out.")
    if options.face is not None:
        raise GanfitError("--face belongs to one photo; cut the others out of photos that show several people.")
    claim_results(options.out, [*named, SHARED])
    recipe.load()
    photos = photos_of(named, recipe)
    claim_results(options.out, [*photos, SHARED])  # once more, because a video gives several photos
    writable_directory(options.out)
    tell_notes(photos)
    with interrupts_noted() as interrupted:
        result = fit_photos(photos, recipe, interrupted)
        result.write(options.out)
    for name, one in result.of_photos().items():
        print(one.summary(options.out / name))
    print(f"One shape and texture of {len(photos)} photos: {options.out / SHARED}")
    return 130 if result.interrupted else 0


def photos_of(named: Mapping[str, Path], recipe: Recipe) -> dict[str, Photo]:
    """Every photo by name, and five frames of every video."""
    from ganfit_nb.photos.video import is_video, photos_of_video

    photos: dict[str, Photo] = {}
    for name, path in named.items():
        found = photos_of_video(path, recipe.detector()) if is_video(path) else [recipe.photo(path)]
        for photo in found:
            key = photo.source if is_video(path) else name
            if key in photos:
                raise GanfitError(f"A frame of {path} and another photo are both called {key}; rename the video.")
            photos[key] = photo
    return photos


def fit_photos(photos: Mapping[str, Photo], recipe: Recipe, interrupted: Callable[[], bool]) -> SetResult:
    """Fits the photos of one person until they are fitted or the fit is interrupted."""
    from ganfit_nb.results.set_result import SetResult

    run, label = recipe.set_steps(list(photos.values())), f"{len(photos)} photos"
    steps, early = fit_with_progress(run, recipe.config.steps, label, total_of, interrupted)
    return SetResult(photos, recipe, steps, interrupted=early)


def total_of(step: SetStep) -> str:
    """Stage and objective, to be shown in a line."""
    return f"{step.stage}, total {step.total:.3g}"
