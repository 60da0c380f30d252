"""`ganfit evaluate scan …` measures the distance of a reconstruction from a scan of the person."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganfit_nb.commands.console import one_line
from ganfit_nb.commands.fit import add_recipe_arguments, recipe_of, tell_licence, tell_notes
from ganfit_nb.errors import GanfitError
from ganfit_nb.photos.photo_files import named_photos

if TYPE_CHECKING:
    from torch import Tensor

    from ganfit_nb.evaluation.scan_judge import FaceErrors, ScanJudge
    from ganfit_nb.results.set_result import SetResult

DESCRIPTION = """Fits all photos together as one person, and writes the distance of the mean face and of
every stage's shape from the scan to DIR/scan_error.json and DIR/table.txt, and where it is to DIR/scan_error.png.
The scan looks along +z with +y up. Its unit is unknown to a mesh file, so it is brought to the mean face's size, unless
--unit tells."""

AGREED, FIT = "photos agree", "full fit"
RECORD, TABLE, PICTURE = "scan_error.json", "table.txt", "scan_error.png"


def add_parser(experiments: Any) -> None:
    """Adds the experiment to the subparsers of `ganfit evaluate`."""
    command = experiments.add_parser("scan", help="error against one scan of a person", description=DESCRIPTION)
    command.add_argument("scan", type=Path, metavar="SCAN", help="the scan: an OBJ, OFF, PLY or STL file")
    command.add_argument(
        "photos", nargs="+", type=Path, metavar="PHOTO", help="photos, folders or videos of the person"
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    command.add_argument(
        "--unit", type=millimetres, metavar="MM", help="what the scan's unit measures, if known: 1, 1000"
    )
    command.add_argument(
        "--size", type=int, default=256, help="side of the pictures compared, px (default %(default)s)"
    )
    add_recipe_arguments(command)
    command.set_defaults(run=run)


def millimetres(text: str) -> float:
    """A length in mm. Raises ValueError for anything else; argparse reports it."""
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError(text)
    return value


millimetres.__name__ = "length (mm, above 0)"  # argparse uses this name in its message


def run(options: argparse.Namespace) -> int:
    """Fits, measures, and then writes all three files."""
    from ganfit_nb.commands.fit_set import fit_photos, photos_of
    from ganfit_nb.evaluation.plots import figure
    from ganfit_nb.files.outputs import locked

    try:
        from ganfit_nb.evaluation.scan_judge import ScanJudge
    except ImportError as error:
        raise GanfitError('The evaluation needs scipy; pip install "ganfit_nb[evaluation]" brings it.') from error
    from ganfit_nb.geometry.surface import Surface

    figure(1.0, 1.0)  # fails at once when matplotlib is missing, before anything is fitted
    claim(options.out)
    recipe = recipe_of(options)
    recipe = replace(recipe, config=replace(recipe.config, size=options.size))
    surface = Surface.read(options.scan)
    named = {str(path): path for argument in options.photos for path in named_photos([argument]).values()}
    if options.face is not None and len(named) > 1:
        raise GanfitError("--face belongs to one photo; cut the others out of photos that show several people.")
    recipe.load()
    tell_licence(recipe)
    photos = photos_of(named, recipe)
    tell_notes(photos)
    judge = ScanJudge(recipe.face_model().morphable, surface, options.unit)
    with locked(options.out):
        result = fit_photos(photos, recipe, lambda: False)
        if result.interrupted:
            return 1  # the fit failed, and the error has been printed
        write(judge, result, options)
    return 0


def claim(out: Path) -> None:
    """Raises GanfitError unless the results may be written to the folder."""
    from ganfit_nb.evaluation.scan_report import TITLE
    from ganfit_nb.files.outputs import claim_file, has_keys, is_signed, starts_with

    claim_file(out / RECORD, has_keys("scan", "photos", "errors"))
    claim_file(out / TABLE, starts_with(TITLE))
    claim_file(out / PICTURE, is_signed)


def people_of(result: SetResult) -> dict[str, Tensor]:
    """p_s of every row of the table: the mean face, and the fit at the end of each stage."""
    from ganfit_nb.evaluation.scan_error import LANDMARKS_ALONE, MEAN_FACE

    last = {step.stage: step.steps[0].parameters.identity for step in result.steps}
    rows = {"align": LANDMARKS_ALONE, "consistency": AGREED, "joint": FIT}
    return {MEAN_FACE: last["align"].new_zeros(len(last["align"]))} | {
        rows[stage]: identity for stage, identity in last.items()
    }


def write(judge: ScanJudge, result: SetResult, options: argparse.Namespace) -> None:
    """Writes the record, the table and the picture, and prints the table.

    All three are made before the first is written.
    """
    from ganfit_nb.evaluation.plots import save_figure
    from ganfit_nb.evaluation.scan_report import error_figure, table
    from ganfit_nb.files.outputs import write_json, write_text

    people = people_of(result)
    errors = {row: judge.errors(identity) for row, identity in people.items()}
    found, drawn = record(judge, result, errors, options), error_figure(judge, people, errors)
    text = f"{table(errors, one_line(options.scan.name))}\n{size_told(judge, options)}"
    write_json(options.out / RECORD, found)
    save_figure(drawn, options.out / PICTURE, 150)
    write_text(options.out / TABLE, text + "\n")
    print(text)
    print(f"Look at {options.out / PICTURE}; all figures are in {options.out / RECORD}.")


def size_told(judge: ScanJudge, options: argparse.Namespace) -> str:
    """A sentence that says what a mm in the table means."""
    why = "the size at which the mean face lies best on it" if options.unit is None else "as --unit says"
    return f"A unit of the scan is taken as {judge.size:.4g} mm, {why}."


def record(
    judge: ScanJudge, result: SetResult, errors: Mapping[str, Mapping[str, FaceErrors]], options: argparse.Namespace
) -> dict[str, Any]:
    """The content of scan_error.json."""
    from ganfit_nb.files.fingerprint import fingerprint
    from ganfit_nb.versions import versions

    return {
        "scan": {"file": options.scan.name, "sha256": fingerprint(options.scan), "mm_per_unit": judge.size},
        "unit": options.unit,
        "photos": [Path(name).name for name in result.photos],
        **result.recipe.settings(),
        "errors": {row: {variant: error.record() for variant, error in found.items()} for row, found in errors.items()},
        "versions": versions(),
    }
