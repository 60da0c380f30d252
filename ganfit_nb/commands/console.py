"""What the command line prints, on consoles as they are: in ASCII alone, or closed by whoever read from them."""

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
    """The text in one line without control characters, which names of files may have."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def complain(text: object) -> None:
    """One line on stderr; of an error that an option mends, with the option."""
    if isinstance(text, GanfitError) and text.argument in OPTIONS:
        text = text.mended_by(OPTIONS[text.argument])
    print(f"ganfit: {one_line(text)}", file=sys.stderr)


@contextmanager
def tolerant_streams() -> Iterator[None]:
    """Within the block a character that the console does not know is written as an escape, and what nobody reads any
    more is dropped: `ganfit fit … | head` still writes its results."""
    former = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_Tolerant(stream) for stream in former)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = former


class _Tolerant:
    """A text stream whose reader may leave."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        with suppress(AttributeError):  # a stream that a program put in the place of the console's
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
        except BrokenPipeError:  # from here on into nothing, so that Python does not complain at its end either
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self._stream.fileno())
            os.close(nothing)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
