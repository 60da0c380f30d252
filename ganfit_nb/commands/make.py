"""`ganfit make …` makes stand-ins for datasets that may not be passed on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ganfit_nb.errors import GanfitError


def add_parser(commands: Any) -> None:
    """Adds the command to `ganfit`'s subparsers."""
    make = commands.add_parser("make", help="make stand-ins for datasets")
    targets = make.add_subparsers(required=True, metavar="WHAT")
    micc = targets.add_parser(
        "micc-standin",
        help="a stand-in for the MICC Florence dataset, in its layout",
        description="Writes DIR/subject_XX/{Model,Video}; subjects already there stay. Needs the build extra.",
    )
    micc.add_argument("directory", type=Path, metavar="DIR")
    micc.add_argument("--subjects", type=int, default=8, help="how many people (default %(default)s)")
    micc.add_argument("--seed", type=int, default=0, help="who they are (default %(default)s)")
    micc.add_argument("--skins", type=Path, metavar="DIR", help="folder of MakeHuman skins; else procedural skin")
    micc.set_defaults(run=run_micc)
    lfw = targets.add_parser(
        "lfw-standin",
        help="a stand-in for Labeled Faces in the Wild, in its layout",
        description="Writes DIR/Person_000/Person_000_0001.jpg … and DIR/pairs.txt. Needs the build extra.",
    )
    lfw.add_argument("directory", type=Path, metavar="DIR", help="a new or empty folder")
    lfw.add_argument("--people", type=int, default=20, help="how many people (default %(default)s)")
    lfw.add_argument("--pictures", type=int, default=3, help="of each of them (default %(default)s)")
    lfw.add_argument("--folds", type=int, default=10, help="that the people are divided into (default %(default)s)")
    lfw.add_argument("--seed", type=int, default=0, help="who they are (default %(default)s)")
    lfw.add_argument("--skins", type=Path, metavar="DIR", help="folder of MakeHuman skins; else procedural skin")
    lfw.set_defaults(run=run_lfw)


def run_micc(options: argparse.Namespace) -> int:
    """Makes the stand-in for MICC."""
    from ganfit_nb.standins.micc import write_standin

    write_standin(options.directory, options.subjects, options.seed, options.skins)
    print(f"{options.directory}: {options.subjects} subjects. Evaluate: ganfit evaluate micc {options.directory}")
    return 0


def run_lfw(options: argparse.Namespace) -> int:
    """Makes the stand-in for LFW."""
    from ganfit_nb.standins.lfw import write_lfw_standin

    try:
        from ganfit_nb.standins.lfw_photographer import Photographer
    except ImportError as error:
        raise GanfitError('The stand-in needs the build extra: pip install "ganfit_nb[build]"') from error
    photographer = Photographer(options.skins, options.seed)
    write_lfw_standin(options.directory, options.people, options.pictures, options.folds, photographer)
    print(f"{options.directory}: {options.people} people. Evaluate: ganfit evaluate lfw {options.directory} --out DIR")
    return 0
