"""The files that ship with the package. Their origins and licences are in CREDITS.md."""

from __future__ import annotations

from pathlib import Path

from ganfit_nb.errors import GanfitError


def asset_path(name: str) -> Path:
    """The path of a shipped file; GanfitError when the installation lacks it."""
    path = Path(__file__).parent / name
    if not path.is_file():
        raise GanfitError(f"The shipped file {name} is missing; reinstall ganfit_nb.")
    return path
