"""`ganfit evaluate micc …` measures the distance of reconstructions from scans (Sec. 4.3, Table 1)."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganfit_nb.commands.batch import refuse_options_of_one_photo
from ganfit_nb.commands.console import one_line
from ganfit_nb.commands.fit import add_recipe_arguments, recipe_of, tell_licence
from ganfit_nb.errors import GanfitError

if TYPE_CHECKING:
    from ganfit_nb.results.recipe import Recipe

DESCRIPTION = """Fits five frames of every video of the MICC Florence dataset, and the most frontal one
alone, and writes the distance of the shapes from the scans to DIR/subject_XX.json and DIR/table.txt.
Every one is fitted with the linear texture, too; --texture pca fits with that alone. Run again, it goes on where it
stopped; results of other settings need a folder of their own."""


def add_parser(experiments: Any) -> None:
    """Adds the experiment to the subparsers of `ganfit evaluate`."""
    command = experiments.add_parser("micc", help="error against scans, Table 1", description=DESCRIPTION)
    command.add_argument("root", type=Path, metavar="ROOT", help="folder with subject_01/Model and subject_01/Video")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    command.add_argument("--size", type=int, default=256, help="side of the pictures compared, px (%(default)s)")
    add_recipe_arguments(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Evaluates the subjects that are not evaluated yet, and prints the table."""
    from ganfit_nb.files.outputs import claim_file, locked, starts_with, write_text

    try:
        from ganfit_nb.evaluation.micc import evaluate, subjects
    except ImportError as error:
        raise GanfitError('The evaluation needs scipy; pip install "ganfit_nb[evaluation]" brings it.') from error
    from ganfit_nb.evaluation.micc_table import table
    from ganfit_nb.standins.stand_in import data_label

    refuse_options_of_one_photo(options)
    subjects(options.root)
    recipe = recipe_of(options)
    recipe = replace(recipe, config=replace(recipe.config, size=options.size))
    label = data_label(options.root, "MICC")
    claim_file(options.out / "table.txt", starts_with(f"{label}, "))
    recipe.load()
    tell_licence(recipe)
    with locked(options.out):
        records = evaluate(
            options.root, options.out, recipe, label, lambda text: print(one_line(text), file=sys.stderr)
        )
        if not any(record["errors"] for record in records.values()):
            raise GanfitError(f"No subject of {options.root} could be evaluated; see the reasons above.")
        text = f"{table(records, label)}\n\n{settings_told(recipe)}"
        write_text(options.out / "table.txt", text + "\n")
    print(text)
    return 0


def settings_told(recipe: Recipe) -> str:
    """How the fits of the table were made."""
    config = recipe.config
    parts = ", ".join(f"{part} {one_line(name)}" for part, name in recipe.parts().items())
    return f"Fitted with: {parts}; {config.steps} steps at {config.size} px, seed {config.seed}, on {config.device}."
