"""`ganfit make …`: stand-ins for datasets that may not be passed on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


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


def run_micc(options: argparse.Namespace) -> int:
    """Makes the stand-in for MICC."""
    from ganfit_nb.evaluation.micc_standin import write_standin
    from ganfit_nb.export import writable_directory

    write_standin(writable_directory(options.directory), options.subjects, options.seed, options.skins)
    print(f"{options.directory}: {options.subjects} subjects. Evaluate: ganfit evaluate micc {options.directory}")
    return 0
