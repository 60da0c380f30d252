"""The page about the house: its picture and the files that it and the README name."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"`((?:ganfit_nb|widgets|tests|tools|benchmarks)/[\w/.]*)`")


def test_the_picture_shows_the_imports_as_they_are():
    house = runpy.run_path(str(ROOT / "tools" / "draw_house.py"))
    drawn = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    assert drawn == house["drawing"](house["imports"]()), "run: python tools/draw_house.py"


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_named_files_exist(page):
    named = set(NAMED.findall((ROOT / page).read_text(encoding="utf-8")))
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
