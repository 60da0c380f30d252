"""The same batch on a Dask cluster: a scheduler and two worker processes on this machine."""

import os
import signal
import sys

import pytest
from fake_recipes import fake_tasks, times_begun

from ganfit_nb import GanfitError
from ganfit_nb.batches.batch import fit_all
from ganfit_nb.batches.workers import workers

distributed = pytest.importorskip("distributed")


@pytest.fixture
def cluster():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_batch_survives_a_worker_that_is_killed_and_a_photo_that_kills(cluster, tmp_path):
    contents = {f"p{k:02d}": "good" for k in range(20)} | {"deadly": "deadly", "bad": "bad"}
    tasks = fake_tasks(tmp_path, contents)
    with distributed.Client(cluster) as client:
        victim = next(iter(client.run(os.getpid).values()))
    told = {}
    with workers(scheduler=cluster.scheduler_address):
        for outcome in fit_all(tasks):
            told[outcome.name] = outcome
            if len(told) == 4:
                os.kill(victim, signal.SIGKILL)
    assert sorted(told) == sorted(contents)
    assert {name for name, outcome in told.items() if outcome.status == "failed"} == {"deadly", "bad"}
    assert told["deadly"].reason.startswith("2 processes died")
    begun = times_begun(tmp_path)
    assert all(begun[name] <= 2 for name in contents)
    assert sum(begun[name] for name in contents if name.startswith("p")) <= 22


def test_a_scheduler_without_workers_is_one_sentence(monkeypatch):
    monkeypatch.setattr(sys.modules["ganfit_nb.batches.workers"], "WORKER_SECONDS", 0.5)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None) as empty,
        pytest.raises(GanfitError, match="has no workers"),
        workers(scheduler=empty.scheduler_address),
    ):
        pass
