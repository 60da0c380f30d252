"""Time and memory of default fits in fresh processes, here and in another checkout, in turns:

    python benchmarks/fit.py [--other CHECKOUT] [--repeats N] [--photo PHOTO]

`one` is `ganfit fit PHOTO`, `five` is `ganfit fit --same-person` of five photos: the given one, darker, lighter, turned
by five degrees to each side. `import` is `import ganfit_nb`. Every checkout takes its own default number of steps.
Other processes disturb both checkouts alike, so trust the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image, ImageEnhance

from ganfit_nb.assets import asset_path

HERE = Path(__file__).resolve().parents[1]
FIGURES = ("seconds", "peak_memory_mb", "identity_distance", "landmark_error")


def five_photos(photo: Path, folder: Path) -> list[str]:
    """Five pictures of one person, as files."""
    given = Image.open(photo).convert("RGB")
    pictures = [given, *(ImageEnhance.Brightness(given).enhance(by) for by in (0.8, 1.2))]
    pictures += [given.rotate(degrees, Image.Resampling.BICUBIC) for degrees in (5, -5)]
    paths = [folder / f"photo{number}.png" for number in range(len(pictures))]
    for picture, path in zip(pictures, paths, strict=True):
        picture.save(path)
    return [str(path) for path in paths]


def fitted(checkout: Path, photos: list[str], options: list[str], record: str) -> dict[str, Any]:
    """The figures of one run of the command, from one of the files that it writes."""
    with tempfile.TemporaryDirectory() as folder:
        in_checkout(checkout, ["-m", "ganfit_nb", "fit", *photos, *options, "--out", folder])
        (found,) = Path(folder).glob(record)
        return {name: value for name, value in json.loads(found.read_text()).items() if name in FIGURES}


def in_checkout(checkout: Path, arguments: list[str]) -> None:
    """Runs Python with the code of a checkout, on one thread."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *arguments], cwd=checkout, env=environment, check=True, capture_output=True)


def import_seconds(checkout: Path) -> dict[str, float]:
    """How long a new process takes to import the library."""
    start = time.perf_counter()
    in_checkout(checkout, ["-c", "import ganfit_nb"])
    return {"seconds": time.perf_counter() - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--other", type=Path, help="another checkout")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--photo", type=Path, default=asset_path("astronaut.png"))
    options = parser.parse_args()
    checkouts = [HERE, *([options.other.resolve()] if options.other else [])]
    with tempfile.TemporaryDirectory() as folder:
        one, five = [str(options.photo.resolve())], five_photos(options.photo, Path(folder))
        measures = {
            "import": import_seconds,
            "one": lambda checkout: fitted(checkout, one, [], "*/fit.json"),
            "five": lambda checkout: fitted(checkout, five, ["--same-person"], "shared/fit.json"),
        }
        for name, measure in measures.items():
            runs = [[measure(checkout) for checkout in checkouts] for _ in range(options.repeats)]
            for figure in runs[0][0]:
                medians = [statistics.median(run[k][figure] for run in runs) for k in range(len(checkouts))]
                ratio = f"  other {medians[1]:9.4g}  ratio {medians[0] / medians[1]:.3f}" if options.other else ""
                print(f"{name:7s} {figure:18s} {medians[0]:9.4g}{ratio}", flush=True)


if __name__ == "__main__":
    main()
