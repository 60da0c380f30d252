"""The library's rooms: each imports only from those below it."""

import ast
from pathlib import Path

import ganfit_nb

ROOT = Path(ganfit_nb.__file__).parent
# From the top of the house down. The modules beside the rooms are its ground; above them stands what re-exports.
ROOMS = (
    *(
        "commands",
        "standins",
        "evaluation",
        "training",
        "batches",
        "results",
        "model_files",
        "own_skin",
        "fitting",
        "photos",
    ),
    *("face", "geometry", "networks", "renderer", "assets", "files"),
)
RE_EXPORTS = {"__init__", "__main__"}
GROUND = len(ROOMS)


def room_of(parts):
    """How far down a module lies: 0 for the topmost room."""
    return ROOMS.index(parts[0]) if parts and parts[0] in ROOMS else GROUND


def imported(path):
    """The modules of this package that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "ganfit_nb" else [f"ganfit_nb.{a.name}" for a in node.names]
        yield from (name.split(".")[1:] for name in names if name.startswith("ganfit_nb."))


def test_every_folder_is_a_known_room():
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(ROOMS)


def test_imports_go_down_the_house():
    up = []
    for path in ROOT.rglob("*.py"):
        place = path.relative_to(ROOT).with_suffix("").parts
        if place[0] in RE_EXPORTS or (len(place) == 1 and place[0] == "parameters"):
            continue
        up += [(".".join(place), ".".join(target)) for target in imported(path) if room_of(target) < room_of(place)]
    assert not up, up
