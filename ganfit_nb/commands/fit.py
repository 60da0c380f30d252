"""`ganfit fit …` makes textured meshes of photos."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganfit_nb.assets import asset_path
from ganfit_nb.commands.console import one_line
from ganfit_nb.commands.progress import fit_with_progress
from ganfit_nb.errors import GanfitError
from ganfit_nb.files.interrupts import interrupts_noted
from ganfit_nb.files.outputs import claim_results, writable_directory
from ganfit_nb.photos.photo_files import named_photos

if TYPE_CHECKING:
    from ganfit_nb.fitting.steps import FitStep
    from ganfit_nb.photos.photo import Photo
    from ganfit_nb.results.recipe import Recipe
    from ganfit_nb.results.result import Result

EXAMPLE = "astronaut"
OUT = Path("results")


def add_parser(commands: Any) -> None:
    """Adds the command to `ganfit`'s subparsers."""
    from ganfit_nb.commands import batch

    fit = commands.add_parser(
        "fit", help="fit photos", description="Writes DIR/<photo>/ with mesh, texture, overlay and fit.json."
    )
    fit.add_argument(
        "photos",
        nargs="*",
        type=Path,
        metavar="PHOTO",
        help="photos, or folders of photos, to fit; none: the bundled portrait",
    )
    fit.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="folder for results (default %(default)s)")
    fit.add_argument(
        "--same-person",
        action="store_true",
        help="all photos show one person: one shape and texture for all, in DIR/shared/; a video gives five frames",
    )
    add_recipe_arguments(fit)
    batch.add_arguments(fit)
    fit.set_defaults(run=run)


def add_recipe_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the options that say how to fit. `recipe_of` reads them."""
    command.add_argument("--steps", type=int, default=100, help="updates of the joint stage (default %(default)s)")
    command.add_argument("--seed", type=int, default=0, help="seed of the random second views (default %(default)s)")
    command.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="where to compute (default %(default)s)"
    )
    command.add_argument("--texture", choices=("gan", "pca"), help="texture model (default: gan, or the --model's own)")
    command.add_argument(
        "--model", type=Path, metavar="FILE", help="morphable model (ganfit models check FILE); else ours"
    )
    command.add_argument(
        "--identity", default="dlib", help="dlib, arcface, a pack of insightface or its .onnx (%(default)s)"
    )
    command.add_argument("--landmarks", default="mediapipe", help="mediapipe, fan, dlib, or a .pts/.json of 68 points")
    command.add_argument(
        "--face", type=face_of, metavar="N|X,Y", help="which face: its number, the largest is 1, or a pixel in it"
    )


def face_of(text: str) -> int | tuple[float, float]:
    """The number of a face, or a point in the picture, px. Raises ValueError for anything else; argparse reports it."""
    if "," not in text:
        return int(text)
    x, y = text.split(",")
    return float(x), float(y)


face_of.__name__ = "face (a number, or x,y in pixels)"  # argparse uses this name in its message


def recipe_of(options: argparse.Namespace) -> Recipe:
    """The recipe that the options describe."""
    from ganfit_nb.fitting.config import FitConfig
    from ganfit_nb.results.recipe import Recipe

    config = FitConfig(steps=options.steps, seed=options.seed, device=options.device)
    return Recipe(config, options.model, options.texture, options.identity, options.landmarks, face=options.face)


def run(options: argparse.Namespace) -> int:
    """Fits the photos that the options name.

    One photo is fitted here with a progress bar. Several photos and folders are fitted as a batch. Photos of one person
    are fitted together.
    """
    from ganfit_nb.commands import fit_set
    from ganfit_nb.photos.video import is_video

    photos = named_photos(options.photos) or {EXAMPLE: asset_path(f"{EXAMPLE}.png")}
    recipe = recipe_of(options)
    videos = [path for path in photos.values() if is_video(path)]
    if options.same_person or videos:
        if not options.same_person and len(photos) > 1:
            raise GanfitError(f"{videos[0]} is a video; fit it alone, or all as --same-person if they show one person.")
        tell_licence(recipe)
        return fit_set.run(photos, recipe, options)
    if options.scheduler or len(options.photos) > 1 or any(path.is_dir() for path in options.photos):
        return run_batch(photos, recipe, options)
    return run_one(*next(iter(photos.items())), recipe, options.out)


def run_one(name: str, path: Path, recipe: Recipe, out: Path) -> int:
    """Fits one photo. On Ctrl-C the fit so far is written, marked as interrupted."""
    claim_results(out, [name])
    recipe.load()
    tell_licence(recipe)
    photo = recipe.photo(path)
    writable_directory(out)
    tell_notes({name: photo})
    with interrupts_noted() as interrupted:
        result = fit_photo(photo, recipe, name, interrupted)
        result.write(out / name)
    print(result.summary(out / name))
    return 130 if result.interrupted else 0


def tell_notes(photos: Mapping[str, Photo]) -> None:
    """Prints the notes on each photo on stderr."""
    for name, photo in photos.items():
        for note in photo.notes:
            print(one_line(f"{name}: {note}"), file=sys.stderr)


def tell_licence(recipe: Recipe) -> None:
    """Prints the licence of the identity network on stderr when it is not free."""
    from ganfit_nb.networks.arcface import LICENCE

    if recipe.identity != "dlib":
        print(f"--identity {recipe.identity}: {LICENCE}.", file=sys.stderr)


def fit_photo(photo: Photo, recipe: Recipe, label: str, interrupted: Callable[[], bool]) -> Result:
    """Fits one photo until it is fitted or interrupted; the bar shows the losses."""
    steps, early = fit_with_progress(recipe.steps(photo), recipe.config.steps, label, losses_of, interrupted)
    return recipe.result(photo, steps, interrupted=early)


def losses_of(step: FitStep) -> str:
    """The losses, to be shown in a line."""
    return " ".join(f"{name} {value:.3g}" for name, value in step.losses.items())


def run_batch(photos: dict[str, Path], recipe: Recipe, options: argparse.Namespace) -> int:
    """Fits the photos that have no result yet. Returns 1 when a photo failed, else 0."""
    from ganfit_nb.batches.batch import tasks_of
    from ganfit_nb.commands import batch

    outcomes = batch.run(tasks_of(photos, options.out, recipe), options, options.out)
    tell_licence(recipe)
    failed = batch.failures(outcomes)
    fitted, earlier = len(outcomes) - failed, sum(outcome.earlier for outcome in outcomes)
    before = f" ({earlier} of them before)" if earlier else ""
    print(f"{options.out}: {fitted} fitted{before}, {failed} failed; {options.out / 'batch.csv'} lists every photo.")
    return 1 if failed else 0
