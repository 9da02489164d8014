"""Dask: encrypted connections, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qubo_dnn as qd
from qubo_dnn.backend import make_options
from qubo_dnn.cluster import dask_cluster, local_worker
from qubo_dnn.cluster.dask_cluster import DaskCluster
from qubo_dnn.cluster.portfolio import Portfolio
from qubo_dnn.errors import ClusterError
from qubo_dnn.registry import get_backend
from qubo_dnn.support import interruption

pytestmark = pytest.mark.slow

MODEL = {("a", "a"): -1.0, ("b", "b"): -2.0, ("a", "b"): 3.0}


def test_a_client_with_certificates() -> None:
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    pytest.importorskip("cryptography", reason="certificates cannot be made")
    security = distributed.Security.temporary()
    made = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None, "security": security}
    with distributed.LocalCluster(**made, protocol="tls://") as workers:
        assert workers.scheduler_address.startswith("tls://")
        with distributed.Client(workers.scheduler_address, security=security) as client:
            solution = qd.solve(MODEL, "tabu", seed=1, client=client)
    assert (solution.best.value, solution.backend) == ({"a": 0, "b": 1}, "tabu*8")


def test_a_file_is_read_here_and_solved_on_workers(dask: DaskCluster, tmp_path: Path) -> None:
    """Workers need not see the file, and unpickle nothing but what this process has read from it."""
    file = tmp_path / "model.coo"
    file.write_text("# vartype=BINARY\n0 0 -1\n1 1 -2\n0 1 3\n")
    solution = qd.solve(file, "tabu", seed=1, client=dask.client, presolve=False)
    assert solution.best.objective == -2.0


def at_work() -> bool:
    """Return whether a task of this worker can be interrupted."""
    return any(interruption._stops.values())


def test_ctrl_c_ends_remote_runs_with_the_best_so_far(dask: DaskCluster) -> None:
    neal = get_backend("neal")
    pressed = threading.Event()

    def press() -> None:
        while not any(dask.client.run(at_work).values()):
            time.sleep(0.05)
        time.sleep(0.5)
        pressed.set()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    couplings = np.random.default_rng(1).normal(size=(60, 60))
    model = qd.to_problem(couplings).objective
    options = make_options(neal, {"seed": 1, "num_reads": 10**4, "num_sweeps": 10**5})
    found = Portfolio([neal], 2, dask).sample(model, options)
    assert pressed.is_set()
    assert found.info["interrupted"]
    assert 1 <= len(found) < 10**4
    until = time.monotonic() + 60
    while any(dask.client.run(at_work).values()):
        assert time.monotonic() < until, "a run goes on"
        time.sleep(0.05)


class Failing:
    """Stands for the module `distributed`; its workers die while they start."""

    def __init__(self, times: int) -> None:
        self.times = times

    def LocalCluster(self, **_: Any) -> str:  # noqa: N802 - named as in Dask
        self.times -= 1
        if self.times >= 0:
            raise RuntimeError("Nanny failed to start.")
        return "started"


def test_workers_that_die_while_they_start_are_started_again() -> None:
    assert dask_cluster._local_cluster(Failing(2), 2) == "started"
    with pytest.raises(ClusterError, match="local:2 do not start: RuntimeError: Nanny failed"):
        dask_cluster._local_cluster(Failing(3), 2)


def test_ctrl_c_of_a_terminal_leaves_the_workers_alone(dask: DaskCluster) -> None:
    """A terminal sends it to all processes of a command."""
    before = dask.client.run(os.getpid)
    for process in before.values():
        os.kill(process, signal.SIGINT)
    time.sleep(0.5)
    assert dask.client.run(os.getpid) == before


class Raising:
    """Raises an error where Python can only report it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __del__(self) -> None:
        raise self.error


def test_interrupts_in_callbacks_are_no_faults(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = signal.getsignal(signal.SIGINT)
    try:
        local_worker.dask_setup(None)
        Raising(KeyboardInterrupt())
        Raising(ValueError("a fault"))
    finally:
        signal.signal(signal.SIGINT, before)
    said = capsys.readouterr().err
    assert "KeyboardInterrupt" not in said
    assert "ValueError: a fault" in said
