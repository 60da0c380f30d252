"""`ganfit models check FILE` says what a morphable model's file holds, and whether photos can be fitted with it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Adds the command to `ganfit`'s subparsers."""
    models = commands.add_parser("models", help="look into a morphable model's file")
    check = models.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "check", help="say what is in it", description="Reads the model and makes it ready for fitting, as fit does."
    )
    check.add_argument("file", type=Path, metavar="FILE", help="a model's file, or the folder of ICT-FaceKit")
    check.set_defaults(run=run_check)


def run_check(options: argparse.Namespace) -> int:
    """Prints the content of the model, and its size and landmarks in our frame."""
    from ganfit_nb.model_files.read import read_model_file
    from ganfit_nb.photos.photo import OUTER_EYE_CORNERS

    file = read_model_file(options.file)
    from ganfit_nb.model_files.adapt import adapt  # needs scipy; the reader has checked that it is there

    model, unit = adapt(file)
    morphable = model.morphable
    marks = morphable.landmarks.on(morphable.mean)
    left, right = marks[list(OUTER_EYE_CORNERS)]
    albedo = f"at the vertices, {len(file.colour.basis)} modes" if file.colour else "none; the shipped texture is used"
    expressions = str(len(file.expression)) if len(file.expression) else "0, so the shipped ones are lent"
    trusted = int((morphable.dense_weight > 0.1).sum())
    print(f"{options.file}: {file.kind}")
    print(f"  vertices {len(file.mean)}, triangles {len(file.faces)}, one unit is {unit:g} mm")
    print(f"  identity modes {len(file.identity)}, expression modes {expressions}; albedo {albedo}")
    print(
        f"  face: {len(morphable.faces)} triangles under the UV map, outer eye corners "
        f"{float((left - right).norm()):.0f} mm apart, {trusted} dense landmarks with weight"
    )
    print(f"Fit with it: ganfit fit PHOTO --model {options.file} --out DIR")
    return 0
