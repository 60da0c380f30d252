"""Where a batch computes: processes of this machine, or the machines of a Dask cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from joblib import cpu_count, parallel_config

from ganfit_nb.errors import GanfitError

JOB_MB = 1100  # a process's peak, as fit.json tells it: 750 for a photo of 1 megapixel, 1100 after one of 9000 pixels
PARENT_MB = 400  # of the process that hands out the work
WORKER_SECONDS = 30  # that a cluster's first worker may take to come
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container, e.g. a Binder


@contextmanager
def workers(jobs: int | None = None, scheduler: str | None = None) -> Iterator[None]:
    """Within the block a batch runs on `jobs` processes here, or on the cluster of a Dask scheduler, one fit each.

    GanfitError when the scheduler does not answer, or when Dask is not installed.
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
    """One process a core, as far as memory reaches: one fit in 2 GB, two in 3 GB."""
    return max(1, min(cpu_count(), int((memory_mb() - PARENT_MB) / JOB_MB)))


def memory_mb() -> float:
    """The memory that this process may use, as the container or the machine limits it."""
    limit = CGROUP_LIMIT.read_text().strip() if CGROUP_LIMIT.exists() else "max"
    if limit.isdigit():
        return int(limit) / 2**20
    if sys.platform == "win32":
        import psutil

        return psutil.virtual_memory().total / 2**20
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
