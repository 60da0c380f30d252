"""Writes Table 1 as text: mean ± standard deviation over the subjects, above the paper's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ganfit_nb.evaluation.micc import BEST, COUNTS, FULL, LINEAR, SETTINGS
from ganfit_nb.evaluation.scan_error import LANDMARKS_ALONE, MEAN_FACE, VARIANTS

# Table 1 of the paper, on MICC itself: (mean, standard deviation) in mm for Cooperative, Indoor and Outdoor.
PAPER = {
    "Tran et al. 2017": ((1.93, 0.27), (2.02, 0.25), (1.86, 0.23)),
    "Booth et al. 2017": ((1.82, 0.29), (1.85, 0.22), (1.63, 0.16)),
    "Genova et al. 2018": ((1.50, 0.13), (1.50, 0.11), (1.48, 0.11)),
    "GANFIT, 5 frames": ((0.95, 0.107), (0.94, 0.106), (0.94, 0.106)),
}
ROWS = (MEAN_FACE, LANDMARKS_ALONE, LINEAR, FULL, BEST)
GLOBAL = (MEAN_FACE, BEST)  # rows that do not depend on the photos
WIDTH, CELL = 25, 14  # characters of the first column, and of each other column


def cell_values(records: Mapping[str, dict[str, Any]], row: str, setting: str, count: int, variant: str) -> list[float]:
    """The errors in mm of all subjects that have this cell of the table."""
    found = []
    for record in records.values():
        errors = record["errors"]
        cell = errors.get(row) if row in GLOBAL else errors.get(setting, {}).get(str(count), {}).get(row)
        if cell:
            found.append(cell[variant]["mm"])
    return found


def table(records: Mapping[str, dict[str, Any]], label: str) -> str:
    """The table as text. `label` names the data."""
    blocks = [_block(records, variant, label) for variant in VARIANTS]
    paper = [
        f"{name:{WIDTH}}" + "".join(f"{'':{CELL}}{_cell(mean, sd):>{CELL}}" for mean, sd in cells)
        for name, cells in PAPER.items()
    ]
    return "\n\n".join(
        [*blocks, "Table 1 of the paper, on MICC itself; which alignment is not stated\n" + "\n".join(paper)]
    )


def _block(records: Mapping[str, dict[str, Any]], variant: str, label: str) -> str:
    title = f"{label}, {variant}: symmetric point-to-plane error, mean ± sd over subjects, mm"
    head = f"{'':{WIDTH}}" + "".join(f"{setting:>{2 * CELL}}" for setting in SETTINGS)
    counts = f"{'frames':{WIDTH}}" + "".join(f"{count:>{CELL}}" for _ in SETTINGS for count in COUNTS)
    found = {row: [cell_values(records, row, s, c, variant) for s in SETTINGS for c in COUNTS] for row in ROWS}
    found = {row: cells for row, cells in found.items() if any(cells)}  # without the rows that were not fitted
    lines = []
    for row, cells in found.items():
        shown = [_cell(float(np.mean(cell)), float(np.std(cell))) if cell else "–" for cell in cells]
        lines.append(f"{row:{WIDTH}}" + "".join(f"{text:>{CELL}}" for text in shown))
    sizes = {len(cell) for cells in found.values() for cell in cells}
    subjects = f"subjects: {min(sizes)}" + (f" to {max(sizes)}" if len(sizes) > 1 else "")
    return "\n".join([title, head, counts, *lines, subjects])


def _cell(mean: float, deviation: float) -> str:
    return f"{mean:.2f} ± {deviation:.2f}"
