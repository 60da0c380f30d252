"""The files that ship with the package. Their origins and licences are in CREDITS.md."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganfit_nb.errors import GanfitError


def asset_path(name: str) -> Path:
    """The path of a shipped file. Raises GanfitError when the installation lacks it."""
    path = Path(__file__).parent / name
    if not path.is_file():
        raise GanfitError(f"The shipped file {name} is missing; reinstall ganfit_nb.")
    return path


@contextmanager
def shipped(name: str) -> Iterator[Path]:
    """The path of a shipped file, to be read within the block.

    Any exception of the reader means that the file is damaged. It becomes a GanfitError that says so.
    """
    path = asset_path(name)
    try:
        yield path
    except MemoryError as error:
        raise GanfitError(f"There is too little memory to load {name}; close other programs.") from error
    except Exception as error:
        raise GanfitError(f"The shipped file {name} is damaged; reinstall ganfit_nb.") from error
