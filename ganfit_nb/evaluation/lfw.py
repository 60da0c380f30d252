"""Labeled Faces in the Wild in its own layout: ROOT/Name/Name_0001.jpg and pairs.txt (Huang et al. 2007).

The first line of pairs.txt gives the number of folds and of pairs of either kind in each; then follow, fold by fold,
the pairs of one person (`Name 1 2`) and those of two (`Name 1 Other 3`), separated by tabs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.reading import reading

MAXIMUM_BYTES = 2**24  # of a pairs.txt; the official one has 160 kB
PICTURES = 9999  # of one person, at most: their numbers have four digits


@dataclass(frozen=True)
class Pair:
    """Two pictures, named as `Name/Name_0001`, and whether they show one person."""

    fold: int
    first: str
    second: str
    same: bool


def picture_name(person: str, number: int) -> str:
    """`Name/Name_0001`: a picture's path below ROOT without its suffix."""
    return f"{person}/{person}_{number:04d}"


def picture_path(root: Path, name: str) -> Path:
    """The file of a picture."""
    return root / f"{name}.jpg"


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a pairs.txt; GanfitError when there is none or it has another form."""
    if not path.exists():
        raise GanfitError(f"There is no {path}; give the list of pairs that LFW calls pairs.txt.")
    with reading(path, "is no list of pairs of LFW's form; download it again.", MAXIMUM_BYTES):
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        folds, count = (1, int(lines[0][0])) if len(lines[0]) == 1 else (int(lines[0][0]), int(lines[0][1]))
        if min(folds, count) < 1 or len(lines) != 1 + 2 * folds * count:
            raise ValueError("another number of pairs")
        return [_pair(k // (2 * count), line) for k, line in enumerate(lines[1:])]


def _pair(fold: int, line: Sequence[str]) -> Pair:
    if len(line) == 3:
        return Pair(fold, _listed(line[0], line[1]), _listed(line[0], line[2]), True)
    first, a, second, b = line
    return Pair(fold, _listed(first, a), _listed(second, b), False)


def _listed(person: str, number: str) -> str:
    """A picture's name from the words of the list. ValueError for names that would lead out of the folder."""
    if not 0 < int(number) <= PICTURES or any(sign in person for sign in "/\\:\0") or person.startswith("."):
        raise ValueError("no name of a person")
    return picture_name(person, int(number))


def write_pairs(path: Path, pairs: Sequence[Pair]) -> None:
    """Writes a pairs.txt of the official form; every fold has equally many pairs of either kind."""
    folds = 1 + max(pair.fold for pair in pairs)
    lines = [f"{folds}\t{len(pairs) // (2 * folds)}"]
    for pair in sorted(pairs, key=lambda pair: (pair.fold, not pair.same)):
        (a, i), (b, j) = (_split(name) for name in (pair.first, pair.second))
        lines.append(f"{a}\t{i}\t{j}" if pair.same else f"{a}\t{i}\t{b}\t{j}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _split(name: str) -> tuple[str, int]:
    person, number = name.split("/")[1].rsplit("_", 1)
    return person, int(number)


def first_of_each_fold(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """The first `count` pairs of either kind in every fold, for those who cannot wait for all of them."""
    seen: dict[tuple[int, bool], int] = {}
    kept = []
    for pair in pairs:
        key = (pair.fold, pair.same)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= count:
            kept.append(pair)
    return kept


def pictures_of(pairs: Iterable[Pair]) -> list[str]:
    """The names of all pictures in the pairs, each once, in order."""
    return list(dict.fromkeys(name for pair in pairs for name in (pair.first, pair.second)))
