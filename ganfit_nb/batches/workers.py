"""Chooses where a batch computes: in processes of this machine, or on the machines of a Dask cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from joblib import cpu_count, parallel_config

from ganfit_nb.errors import GanfitError

JOB_MB = 1100  # peak of a process in fit.json: 750 for a photo of 1 megapixel, 1100 for one 9000 pixels wide
PARENT_MB = 400  # peak of the process that hands out the work
WORKER_SECONDS = 30  # time to wait for the first worker of a cluster
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")  # memory limit of a container, such as a Binder


@contextmanager
def workers(jobs: int | None = None, scheduler: str | None = None) -> Iterator[None]:
    """Within the block a batch runs in `jobs` processes here, or on the cluster of a Dask scheduler.

    Each process works on one fit at a time. Raises GanfitError when the scheduler does not answer, or when Dask is not
    installed.
    """
    if scheduler is None:
        jobs = default_jobs() if jobs is None else jobs
        if jobs < 1:
            raise GanfitError(f"A batch needs at least one job, not {jobs}.")
        with parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1):
            yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise GanfitError('A cluster needs Dask: pip install "ganfit_nb[cluster]"') from error
    try:
        client = Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise GanfitError(f"No Dask scheduler answers at {scheduler}; start one with: dask scheduler") from error
    with client, parallel_config(backend="dask", client=client):
        try:
            client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as error:
            raise GanfitError(
                f"The Dask scheduler at {scheduler} has no workers; start some with: dask worker {scheduler}"
            ) from error
        yield


def default_jobs() -> int:
    """The default number of processes: one for each core, as far as memory allows (one in 2 GB, two in 3 GB)."""
    return max(1, min(cpu_count(), int((memory_mb() - PARENT_MB) / JOB_MB)))


def memory_mb() -> float:
    """The memory that this process may use, in MB: the limit of the container, or else the memory of the machine."""
    limit = CGROUP_LIMIT.read_text().strip() if CGROUP_LIMIT.exists() else "max"
    if limit.isdigit():
        return int(limit) / 2**20
    if sys.platform == "win32":
        import psutil

        return psutil.virtual_memory().total / 2**20
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
