"""`ganfit evaluate ablation …` shows what every loss and the texture GAN contribute (Sec. 4.4, Fig. 5)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ganfit_nb.assets import asset_path
from ganfit_nb.commands import batch
from ganfit_nb.commands.fit import EXAMPLE, add_recipe_arguments, recipe_of
from ganfit_nb.errors import GanfitError
from ganfit_nb.photos.photo_files import named_photos

if TYPE_CHECKING:
    from ganfit_nb.batches.batch import Task
    from ganfit_nb.results.recipe import Recipe

DESCRIPTION = """Fits every photo with each variant of Fig. 5 from the same start with the same seed, and writes
DIR/ablation.png, the pictures, and DIR/ablation.csv, the figures. A known face is a person of our own making, whose
true shape is known, so that the error of the shape can be told, too."""


def add_parser(experiments: Any) -> None:
    """Adds the experiment to the subparsers of `ganfit evaluate`."""
    command = experiments.add_parser("ablation", help="leave-one-out ablation, Fig. 5", description=DESCRIPTION)
    command.add_argument("photos", nargs="*", type=Path, metavar="PHOTO", help="none: the bundled portrait")
    command.add_argument("--known-face", type=int, nargs="+", default=[], metavar="N", help="fit known faces, too")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for fits and results")
    add_recipe_arguments(command)
    batch.add_arguments(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Fits the variants that have no result yet, then draws Fig. 5 and writes the measures.

    They show all photos whose variants are complete.
    """
    from ganfit_nb.batches.batch import tasks_of
    from ganfit_nb.evaluation.ablation import VARIANTS
    from ganfit_nb.evaluation.ablation_report import COLUMNS
    from ganfit_nb.evaluation.plots import figure
    from ganfit_nb.files.outputs import claim_file, has_header, is_signed

    if options.texture == "pca":
        raise GanfitError("The ablation itself exchanges the texture; leave --texture pca out.")
    figure(1.0, 1.0)  # fails at once when matplotlib is missing, before anything is fitted
    claim_file(options.out / "ablation.png", is_signed)
    claim_file(options.out / "ablation.csv", has_header(COLUMNS))
    recipe = recipe_of(options)
    known = {f"known-{number}": number for number in options.known_face}
    photos = {**named_photos(options.photos), **known_photos(known, recipe, options.out / "known")}
    photos = photos or {EXAMPLE: asset_path(f"{EXAMPLE}.png")}
    fits = [
        tasks_of(
            {f"{name}/{key}": path for name, path in photos.items()}, options.out / "fits", variant.recipe(recipe), True
        )
        for key, variant in VARIANTS.items()
    ]
    outcomes = batch.run([task for tasks in fits for task in tasks], options, options.out / "fits")
    failed = {photo_of(outcome.name) for outcome in outcomes if outcome.status == "failed"}
    write([tasks for tasks in zip(*fits, strict=True) if photo_of(tasks[0].name) not in failed], known, options)
    return 1 if failed else 0


def photo_of(task: str) -> str:
    """The photo's name in `photo/variant`."""
    return task.rsplit("/", 1)[0]


def known_photos(known: dict[str, int], recipe: Recipe, folder: Path) -> dict[str, Path]:
    """The photographs of known faces. Those that do not exist yet are made.

    Raises GanfitError when a picture in their place is not ours, or shows a face of another model.
    """
    from ganfit_nb.evaluation.known_people import KnownPeople
    from ganfit_nb.files.outputs import claim_file, is_signed, save_png, signed_words
    from ganfit_nb.results.export import to_pil

    paths = {name: folder / f"{name}.png" for name in known}
    words = {name: f"{name} of the model {recipe.contents()['model']}" for name in known}
    for name, path in paths.items():
        claim_file(path, is_signed)
        if path.exists() and signed_words(path) != words[name]:
            raise GanfitError(f"{path} shows a known face of another model; choose another --out.")
    missing = [name for name, path in paths.items() if not path.exists()]
    if missing:
        people = KnownPeople(recipe.face_model().morphable)
        for name in missing:
            picture = people.photograph(people[known[name]], known[name], 512)
            save_png(to_pil(picture), paths[name], words[name])
    return paths


def write(variants: list[tuple[Task, ...]], known: dict[str, int], options: argparse.Namespace) -> None:
    """Writes Fig. 5 and a CSV file with all measures, and prints the means."""
    from ganfit_nb.evaluation.ablation_report import examine, figure_5, table, write_csv
    from ganfit_nb.evaluation.plots import save_figure

    if not variants:
        raise GanfitError("No photo could be fitted; see the reasons above.")
    photos = [tasks[0].recipe.photo(tasks[0].photo).at(256) for tasks in variants]
    ablated = []
    for photo, tasks in zip(tqdm(photos, desc="measuring", unit="photo"), variants, strict=True):
        ablated.append([examine(task, photo, known.get(photo_of(task.name))) for task in tasks])
    rows = [one.row for fits in ablated for one in fits]
    write_csv(rows, options.out / "ablation.csv")
    save_figure(figure_5(photos, ablated), options.out / "ablation.png", 120)
    print(table(rows))
    print(f"Look at {options.out / 'ablation.png'}; all figures are in {options.out / 'ablation.csv'}.")
