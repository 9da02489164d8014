"""Tasks reach workers, are tried again, keep their order, and report their own errors."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from qubo_dnn.cluster import tasks, worker
from qubo_dnn.cluster.cluster import Cluster, ExecutorCluster
from qubo_dnn.cluster.dask_cluster import DaskCluster, check_cluster, connected
from qubo_dnn.cluster.given import workers
from qubo_dnn.cluster.tasks import TRIES, TaskRun, ordered_map
from qubo_dnn.errors import ClusterError, OptionError, UnsupportedProblemError


def times(factor: int, number: int) -> int:
    # The first ones take longest.
    time.sleep(0.02 / number)
    return factor * number


def refuse(_: int, number: int) -> int:
    if number == 3:
        raise UnsupportedProblemError("three is too many")
    return number


class OddError(Exception):
    """Cannot be pickled, also where Dask has taught pickle to take other errors."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")
        self.held = threading.Lock()


def odd(_: int, __: int) -> int:
    raise OddError(1, 2)


def out_of_memory(folder: str, number: int) -> int:
    once = Path(folder, f"{number}")
    if not once.exists():
        once.touch()
        raise MemoryError
    return number


def die_once(folder: str, number: int) -> int:
    """Kill the worker in the first try of the second task."""
    once = Path(folder, "died")
    if number == 2 and not once.exists():
        once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def hang_once(folder: str, number: int) -> int:
    """Stop the worker's process in the first try of the second task: it neither ends nor answers."""
    once = Path(folder, "hung")
    if number == 2 and not once.exists():
        once.touch()
        os.kill(os.getpid(), signal.SIGSTOP)
    return number


def numbers(count: int) -> Iterator[tuple[int]]:
    return ((number,) for number in range(1, count + 1))


def processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(2, mp_context=get_context("spawn"))


@pytest.mark.parametrize("kind", ["here", "threads"])
def test_results_come_in_the_order_of_the_tasks(kind: str, threads: Cluster) -> None:
    found = ordered_map(None if kind == "here" else threads, times, numbers(9), 10)
    assert list(found) == [10 * number for number in range(1, 10)]


def test_tasks_are_made_as_they_are_needed(threads: Cluster) -> None:
    made = 0

    def counted() -> Iterator[tuple[int]]:
        nonlocal made
        for task in numbers(100):
            made += 1
            yield task

    found = ordered_map(threads, times, counted(), 10)
    assert next(found) == 10
    assert made < 20
    found.close()  # type: ignore[attr-defined]  # a generator


def test_a_task_that_fails_raises_its_own_error(threads: Cluster) -> None:
    found = ordered_map(threads, refuse, numbers(5), 0)
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(UnsupportedProblemError, match="three is too many"):
        next(found)


def test_an_error_that_cannot_be_sent_is_put_in_words(threads: Cluster) -> None:
    with pytest.raises(ClusterError, match="OddError: 1 and 2"):
        list(ordered_map(threads, odd, numbers(1), 0))


def test_what_cannot_be_sent_is_refused_at_once(threads: Cluster) -> None:
    with pytest.raises(ClusterError, match="cannot be sent to workers"):
        list(ordered_map(threads, times, numbers(1), lambda: 1))


def test_running_out_of_memory_costs_the_task_alone(threads: Cluster, tmp_path: Path) -> None:
    assert list(ordered_map(threads, out_of_memory, numbers(4), str(tmp_path))) == [1, 2, 3, 4]
    assert len(list(tmp_path.iterdir())) == 4


def wait_for_ever() -> None:
    while True:
        time.sleep(0.01)


def test_an_interrupted_task_leaves_no_trace_in_its_thread() -> None:
    """Of one thread, whose later tasks go on as usual, also under a profiler."""
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(worker.perform, "run", worker.packed((wait_for_ever, ())), None)
        while "run" not in worker._running.values():
            time.sleep(0.01)
        worker.interrupt_run("run")
        assert ended.result().interrupted
        assert pool.submit(worker.perform, "run", worker.packed((divmod, (7, 2))), None).result().interrupted
        profiled = pool.submit(sys.setprofile, lambda *_: None)
        profiled.result()
        assert pool.submit(worker.perform, "other", worker.packed((divmod, (7, 2))), None).result().value == (3, 1)


class Broken:
    """An executor whose workers die at every task."""

    def __init__(self) -> None:
        self.tries = 0

    def submit(self, *_: Any) -> Future[Any]:
        self.tries += 1
        future: Future[Any] = Future()
        future.set_exception(ConnectionResetError("gone"))
        return future


def test_a_task_that_loses_its_worker_too_often_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_PAUSE", 0.0)
    executor = Broken()
    with pytest.raises(ClusterError, match="lost its worker 5 times, the last time by ConnectionResetError: gone"):
        list(ordered_map(ExecutorCluster(executor, slots=1), times, numbers(1), 10))
    assert executor.tries == TRIES


def test_a_task_that_hangs_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_LOOK", 0.02)
    monkeypatch.setattr(tasks, "_PAUSE", 0.0)
    released, first = threading.Event(), threading.Lock()

    class Hanging(ThreadPoolExecutor):
        def submit(self, function: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
            if first.acquire(blocking=False):
                return super().submit(released.wait)
            return super().submit(function, *arguments)

    with Hanging(2) as pool:
        assert list(ordered_map(ExecutorCluster(pool), times, numbers(3), 10, timeout=0.2)) == [10, 20, 30]
        released.set()


class Silent(Future[Any]):
    """Is finished, and its result does not arrive: the worker hangs before it has sent it."""

    def result(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "it would be waited for for ever"
        raise TimeoutError


def test_a_result_that_does_not_arrive_costs_its_task_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_PAUSE", 0.0)
    silent: list[Future[Any]] = [Silent(), Silent()]

    class Fetching(ThreadPoolExecutor):
        def submit(self, function: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
            if silent:
                silent[-1].set_result(None)
                return silent.pop()
            return super().submit(function, *arguments)

    with Fetching(2) as pool:
        assert list(ordered_map(ExecutorCluster(pool), times, numbers(3), 10)) == [10, 20, 30]
    assert not silent


class Pressing(Future[Any]):
    """Ctrl-C is pressed while its result is fetched."""

    def result(self, timeout: float | None = None) -> Any:
        signal.raise_signal(signal.SIGINT)
        return super().result(timeout)


def test_ctrl_c_loses_no_result() -> None:
    class AtOnce:
        def submit(self, function: Any, /, *arguments: Any) -> Future[Any]:
            future = Pressing()
            future.set_result(function(*arguments))
            return future

    with TaskRun(ExecutorCluster(AtOnce(), slots=1), divmod) as run:
        run.submit(1, 7, 2)
        with pytest.raises(KeyboardInterrupt):
            run.wait()
        ended = run.wait()
        assert ended is not None
        assert ended[1].value == (3, 1)


def test_a_run_that_was_interrupted_tries_nothing_again() -> None:
    executor = Broken()
    with TaskRun(ExecutorCluster(executor, slots=1), divmod) as run:
        run.submit(1, 7, 2)
        run.interrupt()
        assert run.wait() is None
    assert executor.tries == 1


def test_a_run_cancels_what_waits(threads: Cluster) -> None:
    held = threading.Event()
    pool = threads._executor  # type: ignore[attr-defined]
    holding = [pool.submit(held.wait) for _ in range(2)]
    with TaskRun(threads, divmod) as run:
        run.submit(1, 7, 2)
        waiting = run._open[1].future
    assert waiting.cancelled()  # type: ignore[attr-defined]
    held.set()
    assert all(each.result() for each in holding)


@pytest.mark.slow
def test_a_pool_whose_worker_dies_is_made_again(tmp_path: Path) -> None:
    with workers(executor=processes) as cluster:
        assert list(ordered_map(cluster, die_once, numbers(6), str(tmp_path))) == [1, 2, 3, 4, 5, 6]
    (tmp_path / "died").unlink()
    with processes() as pool:
        found = ordered_map(ExecutorCluster(pool), die_once, numbers(6), str(tmp_path))
        with pytest.raises(ClusterError, match="pass a function that makes the executor"):
            list(found)


@pytest.mark.slow
def test_a_worker_of_dask_that_dies_costs_its_task(dask: DaskCluster, tmp_path: Path) -> None:
    assert list(ordered_map(dask, die_once, numbers(8), str(tmp_path))) == list(range(1, 9))
    assert (tmp_path / "died").exists()


@pytest.mark.slow
def test_a_worker_of_dask_that_hangs_costs_its_task(tmp_path: Path) -> None:
    with connected("local:1") as cluster:
        assert list(ordered_map(cluster, hang_once, numbers(4), str(tmp_path), timeout=8.0)) == [1, 2, 3, 4]


@pytest.mark.slow
def test_dask_reports_the_errors_of_tasks(dask: DaskCluster) -> None:
    with pytest.raises(UnsupportedProblemError, match="three is too many"):
        list(ordered_map(dask, refuse, numbers(5), 0))


@pytest.mark.parametrize("text", ["local", "local:0", "local:x", "host:8786", "tcp:/host", ""])
def test_other_clusters_are_refused(text: str) -> None:
    with pytest.raises(OptionError, match="a cluster is local:N"):
        check_cluster(text)


def test_only_one_kind_of_workers_is_taken() -> None:
    with pytest.raises(OptionError, match="not both"), workers(object(), processes):
        pass
    with pytest.raises(OptionError, match="is a int, not a distributed"), workers(client=3):
        pass
    with pytest.raises(OptionError, match="submit, and int has none"), workers(executor=3):  # type: ignore[arg-type]
        pass
