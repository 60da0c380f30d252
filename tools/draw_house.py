"""Draws docs/architecture.svg: the folders of the library, and which of them imports which.

    python tools/draw_house.py

The arrows come from the import statements in the files. An arrow is left out where a longer path of arrows says the
same: `commands` imports `files`, too, but it also reaches `files` by way of other folders.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs" / "architecture.svg"
WIDGETS = "ganfit_widgets"
# Every folder: its column in the picture, and its content. The folders that a fit passes through are coloured.
ROOMS = {
    "commands": (1, "the command line"),
    "standins": (1, "generated MICC and LFW"),
    WIDGETS: (2, "notebook components"),
    "evaluation": (1, "MICC, LFW, ablation, scans"),
    "training": (0, "builds the shipped models"),
    "batches": (2, "many fits, many processes"),
    "results": (1, "result, export, recipe"),
    "own_skin": (0, "photo → UV map, light taken out"),
    "fitting": (1, "losses, objective, the loop"),
    "model_files": (2, "BFM, LSFM, FLAME, ICT, eos"),
    "face": (0, "p_s, p_e → shape; p_t → skin"),
    "photos": (1, "photo file → aligned face"),
    "networks": (1, "generator, recognisers"),
    "assets": (1, "what ships, what loads"),
    "geometry": (2, "ICP, closest points"),
    "renderer": (0, "mesh → picture (Eq. 6)"),
    "files": (1, "safe reading and writing"),
}
OF_A_FIT = {"photos", "face", "renderer", "networks", "fitting", "own_skin", "results"}
WIDTH, HEIGHT = 218, 44  # px of a box
ACROSS, DOWN = 262, 68  # px from box to box
MARGIN = 16


def imports() -> dict[str, set[str]]:
    """The folders that each folder imports from."""
    found: dict[str, set[str]] = {name: set() for name in ROOMS}
    for name in ROOMS:
        folder = ROOT / "widgets" / WIDGETS if name == WIDGETS else ROOT / "ganfit_nb" / name
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ganfit_nb"):
                    parts = f"{node.module}.{node.names[0].name}".split(".")
                    found[name] |= {parts[1]} & ROOMS.keys() - {name}
    return found


def needed_arrows(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """The imports that no longer path of imports stands for."""

    @cache
    def below(name: str) -> frozenset[str]:
        return frozenset(found[name]).union(*map(below, found[name]))

    return {name: {t for t in targets if not any(t in below(o) for o in targets)} for name, targets in found.items()}


def drawing(found: dict[str, set[str]]) -> str:
    """The picture as SVG: every folder stands above all folders that it imports."""

    @cache
    def floor(name: str) -> int:
        return 1 + max(map(floor, found[name]), default=-1)

    top = max(map(floor, ROOMS))
    corner = {
        name: (MARGIN + ACROSS * column, MARGIN + DOWN * (top - floor(name))) for name, (column, _) in ROOMS.items()
    }
    size = MARGIN * 2 + ACROSS * 2 + WIDTH, MARGIN * 2 + DOWN * top + HEIGHT
    arrows = [_arrow(corner[a], corner[b]) for a, targets in needed_arrows(found).items() for b in sorted(targets)]
    boxes = [_box(name, *corner[name]) for name in ROOMS]
    return "\n".join([_head(*size), *arrows, *boxes, "</svg>\n"])


def _head(width: int, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" text-anchor="middle">\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#667"/></marker></defs>\n'
        f'<rect width="{width}" height="{height}" rx="8" fill="#fff"/>'
    )


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    """From the lower edge of one box to the upper edge of another."""
    shift = (end[0] > start[0]) - (end[0] < start[0])
    x0, y0 = start[0] + WIDTH // 2 + shift * WIDTH // 4, start[1] + HEIGHT
    x1, y1 = end[0] + WIDTH // 2 - shift * WIDTH // 4, end[1] - 1
    bend = y0 + min(DOWN - HEIGHT, y1 - y0) // 2
    points = [(x0, y0), (x0, bend), (x1, bend), (x1, y1)] if shift else [(x0, y0), (x1, y1)]
    path = "M" + " L".join(f"{x} {y}" for x, y in points)
    return f'<path d="{path}" fill="none" stroke="#667" stroke-width="1.4" marker-end="url(#tip)"/>'


def _box(name: str, x: int, y: int) -> str:
    fill = "#ffe9c7" if name in OF_A_FIT else "#e8edf5"
    middle = x + WIDTH // 2
    return (
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{fill}" stroke="#667"/>'
        f'<text x="{middle}" y="{y + 19}" font-size="15" font-weight="bold" fill="#112">{name}</text>'
        f'<text x="{middle}" y="{y + 36}" font-size="12" fill="#334">{ROOMS[name][1]}</text>'
    )


if __name__ == "__main__":
    FILE.write_text(drawing(imports()), encoding="utf-8")
