"""`ganfit evaluate micc …`: how far are reconstructions from scans? (Sec. 4.3, Table 1)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ganfit_nb.commands.console import one_line
from ganfit_nb.errors import GanfitError

DESCRIPTION = """Fits five frames of every video of the MICC Florence dataset, and the most frontal one
alone, and writes the distance of the shapes from the scans to DIR/subject_XX.json and DIR/table.txt.
Run again, it goes on where it stopped."""


def add_parser(experiments: Any) -> None:
    """Adds the experiment to the subparsers of `ganfit evaluate`."""
    command = experiments.add_parser("micc", help="error against scans, Table 1", description=DESCRIPTION)
    command.add_argument("root", type=Path, metavar="ROOT", help="folder with subject_01/Model and subject_01/Video")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    command.add_argument("--steps", type=int, default=200, help="updates of the joint stage (default %(default)s)")
    command.add_argument("--size", type=int, default=256, help="side of the pictures compared, px (%(default)s)")
    command.add_argument("--seed", type=int, default=0, help="seed of the random second views (default %(default)s)")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Evaluates what is not yet evaluated, and prints the table."""
    from ganfit_nb.files.outputs import claim_file, locked, starts_with, write_text

    try:
        from ganfit_nb.evaluation.micc import MiccConfig, evaluate, subjects
    except ImportError as error:
        raise GanfitError('The evaluation needs scipy; pip install "ganfit_nb[evaluation]" brings it.') from error
    from ganfit_nb.evaluation.micc_table import table
    from ganfit_nb.standins.stand_in import data_label

    subjects(options.root)
    config = MiccConfig(options.steps, options.size, options.seed)
    label = data_label(options.root, "MICC")
    claim_file(options.out / "table.txt", starts_with(f"{label}, "))
    with locked(options.out):
        records = evaluate(options.root, options.out, config, lambda text: print(one_line(text), file=sys.stderr))
        if not any(record["errors"] for record in records.values()):
            raise GanfitError(f"No subject of {options.root} could be evaluated; see the reasons above.")
        text = table(records, label)
        write_text(options.out / "table.txt", text + "\n")
    print(text)
    return 0
