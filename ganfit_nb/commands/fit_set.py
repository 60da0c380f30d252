"""`ganfit fit … --same-person`: photos, or the frames of a video, as one image set (Eq. 13)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ganfit_nb.errors import GanfitError

if TYPE_CHECKING:
    from ganfit_nb.image_set import SetStep
    from ganfit_nb.photo import Photo
    from ganfit_nb.recipe import Recipe
    from ganfit_nb.set_result import SetResult


def run(named: Mapping[str, Path], recipe: Recipe, options: argparse.Namespace) -> int:
    """Fits all photos together. Ctrl-C writes what was fitted so far, marked as interrupted."""
    from ganfit_nb.export import writable_directory
    from ganfit_nb.set_result import SHARED

    if options.scheduler:
        raise GanfitError("Photos of one person are fitted in one process; leave --scheduler out.")
    recipe.load()
    photos = photos_of(named, recipe)
    if SHARED in photos:
        raise GanfitError(f"A photo named {SHARED} would be written to the folder of the shared result; rename it.")
    writable_directory(options.out)
    for name, photo in photos.items():
        for note in photo.notes:
            print(f"{name}: {note}", file=sys.stderr)
    result = fit_with_progress(photos, recipe)
    result.write(options.out)
    for name, one in result.of_photos().items():
        print(one.summary(options.out / name))
    print(f"One shape and texture of {len(photos)} photos: {options.out / SHARED}")
    return 130 if result.interrupted else 0


def photos_of(named: Mapping[str, Path], recipe: Recipe) -> dict[str, Photo]:
    """Every photo by name, and five frames of every video."""
    from ganfit_nb.video import is_video, photos_of_video

    photos: dict[str, Photo] = {}
    for name, path in named.items():
        if is_video(path):
            photos |= {photo.source: photo for photo in photos_of_video(path, recipe.detector())}
        else:
            photos[name] = recipe.photo(path)
    return photos


def fit_with_progress(photos: Mapping[str, Photo], recipe: Recipe) -> SetResult:
    """Runs the whole fit behind a progress bar. An interrupt keeps the steps made so far."""
    from ganfit_nb.image_set import fit_set
    from ganfit_nb.set_result import SetResult

    steps: list[SetStep] = []
    interrupted = False
    run = fit_set(list(photos.values()), recipe.face_model(), recipe.config, recipe.weights(), network=recipe.network())
    with tqdm(total=recipe.config.steps, desc=f"{len(photos)} photos", unit="step") as bar:
        try:
            for step in run:
                steps.append(step)
                bar.set_postfix_str(f"total {step.total:.3g}", refresh=False)
                bar.update(step.index - bar.n if step.stage == "joint" else 0)
        except KeyboardInterrupt:
            if not steps:
                raise
            interrupted = True
    return SetResult(photos, recipe, steps, interrupted)
