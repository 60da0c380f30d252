"""The `ganfit` command until the library is loaded: a word at once, and Ctrl-C without a traceback.

It lies outside the package, because importing anything of the package loads torch first.
"""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Runs the command of `ganfit_nb.commands.cli`."""
    waiting = sys.stderr is not None and sys.stderr.isatty()
    try:
        if waiting:
            print("ganfit: loading …", end="\r", file=sys.stderr, flush=True)
        from ganfit_nb.commands.cli import main as command

        if waiting:
            print(" " * 20, end="\r", file=sys.stderr, flush=True)
        status = command()
    except KeyboardInterrupt:
        print("ganfit: interrupted.", file=sys.stderr)
        status = 130
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the work is over, and Python's own end takes a moment
    return status
