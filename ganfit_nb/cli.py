"""The `ganfit` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ganfit_nb.commands import assets, doctor, evaluate, fit, make, models, train
from ganfit_nb.errors import GanfitError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; a GanfitError becomes one line on stderr and exit code 1, an interrupt exit code 130."""
    options = parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except GanfitError as error:
        print(f"ganfit: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ganfit: interrupted.", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The command's grammar."""
    top = argparse.ArgumentParser(
        prog="ganfit", description="Fits a textured 3D face to a photograph (GANFIT, CVPR 2019)."
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in (fit, evaluate, make, models, assets, doctor, train):
        command.add_parser(commands)
    return top
