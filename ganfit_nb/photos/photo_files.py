"""Finds the photos that a command line names, and gives each a name for its result."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.outputs import RESULT

SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpeg", ".jpg", ".mpo"),
    *(".png", ".tif", ".tiff", ".webp"),
)


def named_photos(arguments: Sequence[Path]) -> dict[str, Path]:
    """The photos by the name of their result. The name is a file's stem; in a folder, the path below it without suffix.

    Photos of one folder keep their suffix when they have the same stem (a.jpg, a.png), or that of a subfolder. Raises
    GanfitError when a folder holds no photo, or when two results would have the same name.
    """
    named: dict[str, Path] = {}
    for argument in arguments:
        for name, path in _below(argument) if argument.is_dir() else [(argument.stem, argument)]:
            if name in named:
                raise GanfitError(
                    f"{named[name]} and {path} would both be written to {name}/; fit them into different folders."
                )
            named[name] = path
    return named


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    photos = [path.relative_to(folder) for path in photos_in(folder)]
    if not photos:
        raise GanfitError(f"There is no photo in {folder} ({', '.join(SUFFIXES)}).")
    taken = Counter(_key(path.with_suffix("")) for path in photos)
    taken.update({_key(parent) for path in photos for parent in path.parents})
    for path in photos:
        name = path.with_suffix("") if taken[_key(path.with_suffix(""))] == 1 else path
        yield name.as_posix(), folder / path


def photos_in(folder: Path) -> Iterator[Path]:
    """The pictures below a folder in alphabetical order, without hidden ones and without those in results."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if RESULT in files:
            continue
        for name in sorted(files):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(place, name)


def _key(path: Path) -> str:
    """The path in the form in which some file systems compare names: without regard to case."""
    return path.as_posix().casefold()
