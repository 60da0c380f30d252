"""Fingerprints of files, in 64 characters: parts of a fit are compared by their content, not by their path."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from ganfit_nb.files.reading import reading, require_file


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(path: Path) -> str:
    """The SHA-256 of a file. For a folder: of the names and contents of the files below it, without hidden ones.

    Raises GanfitError when there is no such file. A file is read again only after its size or time of change differs.
    """
    if path.is_dir():
        files = (file for file in sorted(path.rglob("[!.]*")) if file.is_file())
        return _of_folder(tuple(_state(file) for file in files if ".git" not in file.parts))
    require_file(path)
    return _of_file(*_state(path))


def _state(path: Path) -> tuple[Path, int, int]:
    found = path.stat()
    return path.absolute(), found.st_size, found.st_mtime_ns


@lru_cache(maxsize=64)
def _of_file(path: Path, size: int, changed: int) -> str:
    with reading(path, "cannot be read; check the file."):
        return sha256_of(path)


@lru_cache(maxsize=8)
def _of_folder(files: tuple[tuple[Path, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, _, _ in files:
        with reading(path, "cannot be read; check the file."):
            digest.update(f"{path.name}\0{sha256_of(path)}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
