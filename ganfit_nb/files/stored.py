"""Records of finished work, which a later run takes instead of doing the work again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganfit_nb.files.outputs import claim_file, has_keys, read_record


def stored_record(path: Path, keys: tuple[str, ...], *sources: Path) -> dict[str, Any]:
    """The record in a JSON file of ours; empty where there is none, or where a file it was made from is newer.

    GanfitError when the file lacks these keys, and so is not ours.
    """
    claim_file(path, has_keys(*keys))
    try:
        fresh = all(source.stat().st_mtime <= path.stat().st_mtime for source in sources)
    except OSError:
        return {}
    return read_record(path) if fresh else {}
