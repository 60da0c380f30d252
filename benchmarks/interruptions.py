"""Stops real fits at random moments and looks at what they leave (POSIX).

    python benchmarks/interruptions.py [--interrupts 200] [--kills 50] [--full-disks 20] [--seed 0]

Every stop hits a command that fits the bundled portrait into a folder in which a result, a batch's results and a file
of the user's lie: by Ctrl-C (every second time by two), by a kill, or by a disk that is full after some bytes. Then
the user's file must be as it was, every result there must be whole, no traceback may have been printed, and at the end
the same commands must finish. The moments are spread over the whole run of a command, without the loading of Python
(tests/test_processes.py interrupts that).
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from ganfit_nb.assets import asset_path
from ganfit_nb.commands.cli import main
from ganfit_nb.files.outputs import RESULT_FILES, is_result, remove_leftovers
from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.results.recipe import Recipe

PORTRAIT = str(asset_path("astronaut.png"))
DIARY = "dear diary"


def commands(out: Path) -> list[list[str]]:
    """One photo, a person's two photos, and a batch."""
    few = ["--steps", "2", "--out", str(out)]
    return [
        ["fit", PORTRAIT, *few],
        ["fit", str(out.parent / "a.png"), str(out.parent / "b.png"), "--same-person", *few],
        ["fit", str(out.parent / "photos"), "--jobs", "1", "--steps", "2", "--out", str(out / "batch")],
    ]


def run(command: list[str], log: Path, bytes_left: int | None = None) -> int:
    """Runs a command in a child of this process, and gives the child's number at once."""
    ready, begin = os.pipe()
    child = os.fork()
    if child:
        os.read(ready, 1)
        os.close(ready)
        os.close(begin)
        return child
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    if bytes_left is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, bytes_left))
    os.write(begin, b"!")
    status = 1
    try:
        status = main(command)
    finally:
        sys.stdout.flush()
        os._exit(status)


def stopped(command: list[str], log: Path, sign: signal.Signals, seconds: float, twice: bool) -> None:
    """Runs a command and stops it after so long."""
    child = run(command, log)
    time.sleep(seconds)
    os.kill(child, sign)
    if twice:
        time.sleep(random.uniform(0.0, 0.3))
        os.kill(child, sign)
    os.waitpid(child, 0)


def faults(out: Path, log: Path) -> list[str]:
    """What should not be."""
    found = ["a traceback"] if "Traceback" in log.read_text(errors="replace") else []
    if (out / "diary.txt").read_text() != DIARY:
        found.append("the user's file has changed")
    for folder in (out, out / "batch"):
        for place in folder.iterdir() if folder.is_dir() else ():
            if place.name.startswith(".ganfit-") or place.name in ("diary.txt", "batch", "batch.csv"):
                continue
            if not (place.is_dir() and is_result(place)):
                found.append(f"{place.name} is no whole result")
            elif {path.name for path in place.iterdir()} < RESULT_FILES - {"faces.png", "report.html"}:
                found.append(f"{place.name} lacks files")
    return found


def try_all(options: argparse.Namespace, folder: Path) -> Counter[str]:
    """Every stop, and how often which fault was found."""
    out, log = folder / "out", folder / "log.txt"
    (folder / "photos").mkdir()
    for name in ("a.png", "b.png", "photos/c.png", "photos/d.png"):
        (folder / name).write_bytes(Path(PORTRAIT).read_bytes())
    out.mkdir()
    (out / "diary.txt").write_text(DIARY)
    recipe = Recipe(FitConfig(steps=1))  # the children begin with everything loaded and compiled
    photo = recipe.photo(Path(PORTRAIT))
    recipe.result(photo, list(recipe.steps(photo))).write(folder / "warm")
    lengths = []
    for command in commands(out):
        begun = time.monotonic()
        assert os.waitstatus_to_exitcode(os.waitpid(run(command, log), 0)[1]) == 0, log.read_text()
        lengths.append(time.monotonic() - begun)
    print(f"uninterrupted: {', '.join(f'{seconds:.1f}' for seconds in lengths)} s", flush=True)
    found: Counter[str] = Counter()
    for kind, sign, count in (
        ("Ctrl-C", signal.SIGINT, options.interrupts),
        ("kill", signal.SIGKILL, options.kills),
        ("full disk", None, options.full_disks),
    ):
        for number in range(count):
            which = number % len(lengths)
            command = commands(out)[which] + ["--seed", str(number % 2)] * (which < 2)
            if sign is None:
                os.waitpid(run(command, log, random.choice((100, 10_000, 200_000, 1_000_000))), 0)
            else:
                moment = random.uniform(0.0, 1.05 * lengths[which])
                stopped(command, log, sign, moment, twice=sign == signal.SIGINT and number % 2 == 0)
            for place in (out / "astronaut", out / "a", out / "b", out / "shared"):
                remove_leftovers(place)  # as the next run does after a while, or at once if it is a batch
            found.update(f"{kind}: {fault}" for fault in faults(out, log))
        print(f"{kind}: {count} times, faults so far: {dict(found) or 'none'}", flush=True)
    for command in commands(out):
        assert os.waitstatus_to_exitcode(os.waitpid(run(command, log), 0)[1]) == 0, log.read_text()
    left = [path.name for path in (*out.iterdir(), *(out / "batch").iterdir()) if path.name.startswith(".ganfit-")]
    print(f"at the end the same commands finished; left beside the results: {left or 'nothing'}")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interrupts", type=int, default=200)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--full-disks", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    random.seed(chosen.seed)
    with tempfile.TemporaryDirectory() as directory:
        sys.exit(1 if try_all(chosen, Path(directory)) else 0)
