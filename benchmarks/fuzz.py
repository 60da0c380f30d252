"""Fuzzes the readers of foreign files.

    python benchmarks/fuzz.py [--mutations N] [--seed S] [--reader NAME] [--corpus DIR]

Every reader gets N mutations of small valid files, the same ones for the same seed, and must read or refuse each of
them in time and within bounded memory. Inputs that fail are kept in DIR, and replayed first the next time. The exit
code is 1 when any fails.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from fuzz.harness import fuzz, table
from fuzz.readers import READERS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--mutations", type=int, default=2000, metavar="N", help="for each reader (2000), a tenth for slow ones"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--reader", choices=READERS, action="append", help="only this one; may be given several times")
    parser.add_argument("--corpus", type=Path, default=Path("out/fuzz"), metavar="DIR", help="of failing inputs")
    options = parser.parse_args()
    tallies = []
    for tally in fuzz(options.reader or list(READERS), options.mutations, options.seed, options.corpus):
        tallies.append(tally)
        for failure in tally.failures:
            print(f"{failure.reader} {failure.number}: {failure.reason} {failure.file or ''}", flush=True)
    print(table(tallies))
    return int(any(tally.failures for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
