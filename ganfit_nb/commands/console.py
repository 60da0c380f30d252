"""Prints on consoles that may know ASCII alone, or whose reader may have gone away."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ganfit_nb.errors import GanfitError

# The options that stand for the library's arguments.
OPTIONS = {"detector": "--landmarks FILE.pts", "jobs": "--jobs", "out": "--out DIR"}


def one_line(text: object) -> str:
    """The text in one line. Control characters, which file names may have, are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def complain(text: object) -> None:
    """One line on stderr; of an error that an option mends, with the option."""
    if isinstance(text, GanfitError) and text.argument in OPTIONS:
        text = text.mended_by(OPTIONS[text.argument])
    print(f"ganfit: {one_line(text)}", file=sys.stderr)


@contextmanager
def tolerant_streams() -> Iterator[None]:
    """Makes standard output and stderr accept any text within the block.

    A character that the console does not know is written as an escape. Text that nobody reads any more is dropped, so
    that `ganfit fit … | head` still writes its results.
    """
    former = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_Tolerant(stream) for stream in former)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = former


class _Tolerant:
    """A text stream whose reader may go away."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        with suppress(AttributeError):  # another program may have replaced the console's stream
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        with self._unread():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._unread():
            self._stream.flush()

    @contextmanager
    def _unread(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:  # write to nowhere from here on; then Python does not fail when it ends, either
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self._stream.fileno())
            os.close(nothing)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
