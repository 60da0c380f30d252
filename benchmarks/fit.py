"""Time and memory of one default fit, in a fresh process:  python benchmarks/fit.py [PHOTO] [--repeats N] [--steps
N]"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def one_fit(photo: list[str], steps: int) -> dict:
    """Runs the command itself, as a user would; its own record tells seconds and memory."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ganfit_nb", "fit", *photo, "--out", folder, "--steps", str(steps)]
        subprocess.run(command, check=True, capture_output=True)
        (record,) = Path(folder).glob("*/fit.json")
        return json.loads(record.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", nargs="*", help="default: the bundled portrait")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    runs = [one_fit(options.photo[:1], options.steps) for _ in range(options.repeats)]
    for key, unit in (("seconds", "s"), ("peak_memory_mb", "MB"), ("identity_distance", ""), ("landmark_error", "")):
        values = [run[key] for run in runs]
        print(f"{key:18s} median {statistics.median(values):9.4g} {unit:2s} of {[round(v, 4) for v in values]}")


if __name__ == "__main__":
    main()
