"""Marks generated data as a stand-in, so that every result from it is labelled."""

from __future__ import annotations

from pathlib import Path

from ganfit_nb.files.outputs import write_text
from ganfit_nb.files.reading import reading

MARK = "STAND-IN.txt"  # a folder with this file is a stand-in


def mark_stand_in(root: Path, dataset: str, explanation: str) -> None:
    """Leaves a note in the dataset's folder."""
    write_text(root / MARK, f"A stand-in for {dataset}, not {dataset}: {explanation}\n")


def data_label(root: Path, dataset: str) -> str:
    """The name for results: that of the dataset, or that of its stand-in."""
    return f"stand-in for {dataset}" if (root / MARK).exists() else dataset


def read_mark(root: Path) -> str:
    """The note in a stand-in's folder; empty if there is none."""
    path = root / MARK
    if not path.exists():
        return ""
    with reading(path, "is no note of a stand-in; move it away.", at_most=2**16):
        return path.read_text(encoding="utf-8")
