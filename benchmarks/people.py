"""Whose photos are whose: a folder for each person, or files that are called ann.jpg, ann_2.jpg, ann_3.jpg."""

from __future__ import annotations

import re
from pathlib import Path

from ganfit_nb.photos.photo_files import photos_in


def people_in(folder: Path) -> dict[str, list[Path]]:
    """The photos below a folder by person, the first photo first. A name of digits alone is a person's own."""
    people: dict[str, list[Path]] = {}
    for path in photos_in(folder):
        name = path.stem if path.parent == folder else path.parent.relative_to(folder).as_posix()
        people.setdefault(re.sub(r"_?\d+$", "", name) or name, []).append(path)
    return people
