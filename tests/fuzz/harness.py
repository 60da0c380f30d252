"""Runs readers on mutated files in a child process that is watched for crashes, hangs and hunger for memory.

A reader must succeed or raise a GanfitError of one line. The child says which mutation it begins, so that the parent
knows which one killed it, and starts another child behind it.
"""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from fuzz.mutations import mutated
from fuzz.readers import READERS, Seed

SECONDS = 20.0  # for one file; a busy machine is slow
MEGABYTES = 1024  # of address space for one file, beyond what the libraries take
BEGINNING = 120.0  # s for a child to load the libraries
SUCCESS, REFUSED = "success", "refused"
SLOW = {"hdf5": 10}  # readers that get so many times fewer mutations: this one starts a process for each file


@dataclass
class Failure:
    """A mutation that a reader neither read nor refused, and the file kept of it."""

    reader: str
    number: int
    reason: str
    file: Path | None


@dataclass
class Tally:
    """What came of the mutations of one reader."""

    reader: str
    successes: int = 0
    refused: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    @property
    def mutations(self) -> int:
        """All of them."""
        return self.successes + self.refused + len(self.failures)


def fuzz(readers: Sequence[str], mutations: int, seed: int, corpus: Path | None = None) -> Iterator[Tally]:
    """One tally a reader, of `mutations` mutated files each, fewer for SLOW ones. Inputs that fail are kept in
    `corpus`, by reader; those that it already holds are replayed first."""
    with TemporaryDirectory() as folder, _Child() as child:
        for name in readers:
            yield _fuzz_reader(name, mutations // SLOW.get(name, 1), seed, corpus, Path(folder), child)


def _fuzz_reader(name: str, mutations: int, seed: int, corpus: Path | None, folder: Path, child: _Child) -> Tally:
    tally, begin = Tally(name), time.perf_counter()
    scratch = folder / name
    scratch.mkdir()
    seeds = READERS[name](scratch)
    kept = sorted((corpus / name).iterdir()) if corpus and (corpus / name).is_dir() else []
    jobs: list[int | Path] = [*kept, *range(mutations)]
    while jobs:
        for job, outcome in child.outcomes(seeds, name, seed, jobs):
            jobs = jobs[1:]
            if outcome == SUCCESS:
                tally.successes += 1
            elif outcome == REFUSED:
                tally.refused += 1
            else:
                number = job if isinstance(job, int) else -1
                file = job if isinstance(job, Path) else _keep(corpus, name, seed, job, seeds)
                tally.failures.append(Failure(name, number, outcome, file))
    tally.seconds = time.perf_counter() - begin
    return tally


def _keep(corpus: Path | None, name: str, seed: int, number: int, seeds: Sequence[Seed]) -> Path | None:
    """Stores a failing input; its name ends with that of the valid file it was made of."""
    if corpus is None:
        return None
    which, data = mutation(name, seed, number, [item.data for item in seeds])
    path = corpus / name / f"{sha256(data).hexdigest()[:12]}-{seeds[which].path.name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _which(kept: Path, seeds: Sequence[Seed]) -> int:
    """The valid file whose place a kept input takes; the first one, if that file is made no more."""
    origin = kept.name.split("-", 1)[-1]
    return next((number for number, seed in enumerate(seeds) if seed.path.name == origin), 0)


def mutation(name: str, seed: int, number: int, valid: Sequence[bytes]) -> tuple[int, bytes]:
    """The valid file chosen and its mutation; the same for the same arguments, on every machine."""
    random = Random(f"{name} {seed} {number}")
    which = random.randrange(len(valid))
    return which, mutated(valid[which], valid, random)


class _Child:
    """A process that reads mutated files; another one takes its place when it dies."""

    def __init__(self) -> None:
        self.context = multiprocessing.get_context("spawn")
        self.process: Any = None
        self.pipe: Any = None

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self.pipe, other = self.context.Pipe()
        self.process = self.context.Process(target=work, args=(other,), daemon=True)
        self.process.start()
        other.close()
        if not self.pipe.poll(BEGINNING):
            raise RuntimeError("the child process does not begin")
        self.pipe.recv()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.pipe.close()
            self.process = None

    def outcomes(
        self, seeds: Sequence[Seed], name: str, seed: int, jobs: Sequence[int | Path]
    ) -> Iterator[tuple[int | Path, str]]:
        """Each job and what came of it; ends early, after the job that it died of."""
        if self.process is None:
            self.start()
        self.pipe.send((list(seeds), name, seed, list(jobs)))
        for job in jobs:
            try:
                outcome = self.pipe.recv() if self.pipe.poll(SECONDS) else f"took more than {SECONDS:.0f} s"
            except (EOFError, ConnectionError):
                self.process.join()
                outcome = f"killed the process (exit code {self.process.exitcode})"
            yield job, outcome
            if outcome.startswith(("took", "killed")):
                self.stop()
                return


def work(pipe: Connection) -> None:
    """The child: takes lists of jobs, answers each job with its outcome."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries in C write their complaints there
    import fuzz.imports  # noqa: F401 (before the limit: libraries take much address space)

    _limit_memory()
    pipe.send("ready")
    while True:
        try:
            seeds, name, seed, jobs = pipe.recv()
        except EOFError:
            return
        valid = [item.data for item in seeds]
        for job in jobs:
            if isinstance(job, int):
                which, data = mutation(name, seed, job, valid)
            else:
                which, data = _which(job, seeds), job.read_bytes()
            pipe.send(_outcome(seeds[which], data))


def _outcome(seed: Seed, data: bytes) -> str:
    from ganfit_nb.errors import GanfitError

    seed.path.write_bytes(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seed.read(seed.opened)
        return SUCCESS
    except GanfitError as error:
        if _hungry(error):
            return f"asked for too much memory: {_place_of(error)}"
        return REFUSED if str(error).count("\n") == 0 else f"more than one line: {str(error)!r:.300}"
    except BaseException as error:  # also a panic of a library written in Rust
        return f"{type(error).__name__}: {str(error)!r:.200} {_place_of(error)}"
    finally:
        seed.path.write_bytes(seed.data)


def _hungry(error: BaseException | None) -> bool:
    """Whether the memory's limit was met: a reader must look at sizes before it allocates."""
    while error is not None:
        if isinstance(error, MemoryError) or "allocate" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _place_of(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-4:]))


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = pages * os.sysconf("SC_PAGE_SIZE") + MEGABYTES * 2**20
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def table(tallies: Sequence[Tally]) -> str:
    """One row a reader."""
    rows = [f"{'reader':<20}{'mutations':>10}{'successes':>11}{'refused':>9}{'failures':>10}{'seconds':>9}"]
    for t in tallies:
        rows.append(
            f"{t.reader:<20}{t.mutations:>10}{t.successes:>11}{t.refused:>9}{len(t.failures):>10}{t.seconds:>9.1f}"
        )
    return "\n".join(rows)
