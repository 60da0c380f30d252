"""A short, seeded run of the fuzzer over every reader. `python benchmarks/fuzz.py` runs a long one."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from fuzz import readers
from fuzz.harness import fuzz, mutation, table
from fuzz.readers import READERS, Seed

from ganfit_nb import GanfitError

MUTATIONS = 600  # of each reader, 7000 in all; they take half a minute
SEED = 16


def test_every_reader_reads_or_refuses_whatever_becomes_of_a_file():
    tallies = list(fuzz(list(READERS), MUTATIONS, SEED))
    print(table(tallies))
    failures = [f"{failure.reader} {failure.number}: {failure.reason}" for t in tallies for failure in t.failures]
    assert not failures
    assert all(tally.successes and tally.refused for tally in tallies)  # else the mutations are too weak or too strong


@pytest.mark.parametrize("name", READERS)
def test_every_valid_file_is_read(tmp_path, name):
    for seed in READERS[name](tmp_path):
        seed.read(seed.opened)


def test_a_mutation_is_the_same_for_the_same_seed():
    valid = [b"some text 1 2 3", bytes(range(256))]
    assert [mutation("x", 1, k, valid) for k in range(50)] == [mutation("x", 1, k, valid) for k in range(50)]
    assert mutation("x", 1, 0, valid) != mutation("x", 2, 0, valid)


def bad(path: Path) -> None:
    """A reader that fails in every way there is, by the length of the file."""
    failure = len(path.read_bytes()) % 7
    if failure == 1:
        os.kill(os.getpid(), signal.SIGTERM)
    if failure == 2:
        time.sleep(60)
    if failure == 3:
        raise ValueError("not a GanfitError")
    if failure == 4:
        raise GanfitError("two\nlines")
    if failure == 5:
        bytearray(2**36)
    if failure == 6:
        raise GanfitError("one line")


def bad_seeds(folder: Path) -> list[Seed]:
    (folder / "a.bin").write_bytes(bytes(range(200)))
    return [Seed.of(folder / "a.bin", bad)]


@pytest.mark.skipif(os.name == "nt", reason="Windows knows neither this signal nor this limit")
def test_the_fuzzer_sees_crashes_hangs_bombs_and_other_errors(tmp_path, monkeypatch):
    from fuzz import harness

    monkeypatch.setitem(readers.READERS, "bad", bad_seeds)
    monkeypatch.setattr(harness, "SECONDS", 4.0)
    (tally,) = fuzz(["bad"], 10, 15, tmp_path)  # ten mutations of every kind, few of them slow
    reasons = " ".join(failure.reason for failure in tally.failures)
    for word in ("killed the process", "took more than", "ValueError", "more than one line", "MemoryError"):
        assert word in reasons
    assert tally.successes == 1
    assert tally.refused == 2
    assert tally.mutations == 10
    kept = {failure.file for failure in tally.failures}
    assert all(file.is_file() for file in kept)
    (again,) = fuzz(["bad"], 0, 0, tmp_path)  # what failed is tried again first
    assert {failure.file for failure in again.failures} == kept
