"""Builds the wheel, installs it into an empty environment, and fits the bundled portrait from there.

    python tools/try_wheel.py

Files that the wheel lacks and packages that it does not declare are missed here: neither the checkout nor what the
tests need can be imported. Takes a minute or two, and 1 GB of disk until it ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
RESULTS = "fit.json", "mesh.obj", "report.html", "texture.png"


def main() -> None:
    """Does the three; CalledProcessError when one of them fails."""
    out = ROOT / "out"
    out.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=out) as folder:
        place = Path(folder)
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", place, ROOT, at=place)
        (wheel,) = place.glob("*.whl")
        venv.create(place / "empty", with_pip=True)
        programs = place / "empty" / ("Scripts" if os.name == "nt" else "bin")
        pins = "--constraint", ROOT / "constraints.txt"
        run(programs / "python", "-m", "pip", "install", "--quiet", "--no-compile", *pins, wheel, at=place)
        run(programs / "ganfit", "fit", "--out", place / "results", "--steps", "5", at=place)
        missing = [name for name in RESULTS if not (place / "results" / "astronaut" / name).is_file()]
        if missing:
            raise SystemExit(f"The fit from the wheel did not write {', '.join(missing)}.")


def run(*command: str | Path, at: Path) -> None:
    """Runs a command in a folder, without a search path of Python's that could lead back to the checkout."""
    subprocess.run(command, cwd=at, env=os.environ | {"PYTHONPATH": ""}, check=True)


if __name__ == "__main__":
    main()
