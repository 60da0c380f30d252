"""The command `ganfit`: its parser, and the end of every error."""

from __future__ import annotations

import argparse
import os
import traceback
from collections.abc import Sequence

from ganfit_nb.commands import assets, doctor, evaluate, fit, make, models, train
from ganfit_nb.commands.console import complain, tolerant_streams
from ganfit_nb.errors import GanfitError
from ganfit_nb.versions import versions

TRACEBACK = "GANFIT_TRACEBACK"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    Every error becomes one line on stderr and exit code 1. An interrupt gives exit code 130.
    """
    with tolerant_streams():
        options = parser().parse_args(arguments)
        try:
            return options.run(options) or 0
        except GanfitError as error:
            complain(error)
        except KeyboardInterrupt:
            complain("interrupted.")
            return 130
        except MemoryError:
            complain("there is not enough memory; use smaller photos or fewer --jobs.")
        except OSError as error:
            complain(f"{error.filename or 'a file'} cannot be read or written ({error.strerror or error}).")
        except Exception as error:
            if os.environ.get(TRACEBACK):
                traceback.print_exc()
            complain(
                f"something went wrong that should not ({type(error).__name__}: {error}); please report what "
                f"{TRACEBACK}=1 shows."
            )
        return 1


def parser() -> argparse.ArgumentParser:
    """The parser of the command, with all subcommands."""
    top = argparse.ArgumentParser(
        prog="ganfit",
        description="Fits a textured 3D face to a photograph (GANFIT, CVPR 2019).",
        epilog="Begin with: ganfit fit PHOTO",
    )
    top.add_argument("--version", action="version", version=f"ganfit {versions().get('ganfit_nb', 'of a checkout')}")
    top.set_defaults(run=lambda options: top.print_help())
    commands = top.add_subparsers(metavar="COMMAND")
    for command in (fit, evaluate, make, models, assets, doctor, train):
        command.add_parser(commands)
    return top
