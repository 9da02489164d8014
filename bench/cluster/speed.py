"""Seconds of a measurement and of a portfolio with one worker and with several, in turn."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from bench.networks.loading import load
from bench.processes import timed
from bench.solvers.generators import sherrington_kirkpatrick
from qubo_dnn.backend import make_options
from qubo_dnn.cluster.cluster import Cluster
from qubo_dnn.cluster.dask_cluster import connected
from qubo_dnn.cluster.portfolio import RUNS, Portfolio
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.search.task_builder import layer_changes
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.sensitivity.large_changes import measure_nonlinearity
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.errors import BackendFailedError
from qubo_dnn.registry import get_backend

Work = Callable[[Cluster | None], tuple[np.ndarray[Any, Any], ...]]


def measurement(folder: Path | None, images: int) -> Work:
    """Both stages of a measurement of all channels at six widths; returns the matrix and the ratios.

    Args:
        folder: see `bench.networks.loading.load`.
        images: number of calibration images.
    """
    network, calibration, _ = load(folder)
    inventory, widths = find_layers(network), bit_widths(0, 2, 3, 4, 6, 8)
    layers = layer_changes(inventory, "channel", make_candidates(inventory, widths))
    data = calibration.subset(min(images, len(calibration)), 0)

    def work(cluster: Cluster | None) -> tuple[np.ndarray[Any, Any], ...]:
        model = gauss_newton(network, layers, data, cluster=cluster)
        ratios = measure_nonlinearity(network, layers, widths, model, data, loss=CROSS_ENTROPY, cluster=cluster)
        assert model.matrix is not None  # it fits into the memory
        return model.matrix, ratios

    return work


def _runs(sweeps: int) -> tuple[Any, Any, Any]:
    model, neal = sherrington_kirkpatrick(500, 1), get_backend("neal")
    return model, neal, make_options(neal, {"seed": 1, "num_sweeps": sweeps, "num_reads": 1})


def portfolio(sweeps: int) -> Work:
    """Eight runs of `neal` on a dense spin glass of 500 spins; returns the best state."""
    model, neal, options = _runs(sweeps)

    def work(cluster: Cluster | None) -> tuple[np.ndarray[Any, Any], ...]:
        return (Portfolio([neal], RUNS, cluster).sample(model, options).record.sample,)

    return work


def _alone(sweeps: int, count: int, start: Any, ended: Any) -> None:
    model, neal, options = _runs(sweeps)
    neal.sample(model, options.model_copy(update={"num_sweeps": 1}))
    start.wait()
    began = time.perf_counter()
    for _ in range(count):
        neal.sample(model, options)
    ended.put(time.perf_counter() - began)


def control(sweeps: int, processes: int) -> float:
    """Seconds of as many runs as those of `portfolio` in processes that exchange nothing: what the machine allows.

    Args:
        sweeps: of a run.
        processes: a divisor of the number of runs.
    """
    context = get_context("spawn")
    start, ended = context.Barrier(processes), context.Queue()
    made = [context.Process(target=_alone, args=(sweeps, RUNS // processes, start, ended)) for _ in range(processes)]
    for each in made:
        each.start()
    seconds: float = max(ended.get() for _ in made)
    for each in made:
        each.join()
    return seconds


def controls(sweeps: int, processes: Sequence[int], turns: int) -> list[dict[str, Any]]:
    """Rows of `control` for every number of processes, in turn."""
    load = os.getloadavg()[0]
    seconds: dict[int, list[float]] = {count: [] for count in processes}
    for _ in range(turns):
        for count in processes:
            seconds[count].append(control(sweeps, count))
    return _rows("the same runs in processes that exchange nothing", seconds, processes[0], load)


def _rows(name: str, seconds: Mapping[int, list[float]], first: int, load: float) -> list[dict[str, Any]]:
    least = min(seconds[first])
    return [
        {
            "work": name,
            "workers": count,
            "seconds": min(times),
            "faster": least / min(times),
            "load": load,
            "turns": times,
            "date": today(),
        }
        for count, times in seconds.items()
    ]


def rows(works: dict[str, Work], workers: Sequence[int], turns: int) -> list[dict[str, Any]]:
    """Seconds of every work for every number of workers, whose results are compared bit for bit with those of none.

    Args:
        works: name -> work.
        workers: numbers of workers, the first one is the one to compare with.
        turns: number of measurements of each, which take turns, so that other work on the machine disturbs all; before
            each, workers do the same once to load modules.

    Returns:
        Rows with the least of the seconds, since other work only adds to them, and with all; those with 0 workers tell
        what this process takes alone.

    Raises:
        BackendFailedError: a result differs.
    """
    found: list[dict[str, Any]] = []
    for name, work in works.items():
        load = os.getloadavg()[0]
        expected, alone = work(None), timed(work, None).seconds
        seconds: dict[int, list[float]] = {count: [] for count in workers}
        for _ in range(turns):
            for count in workers:
                # Workers that wait take time, too: those of other numbers have ended.
                with connected(f"local:{count}") as cluster:
                    work(cluster)
                    done = timed(work, cluster)
                if not all(map(np.array_equal, done.value, expected)):
                    raise BackendFailedError(f"{name} with {count} workers differs from that with none")
                seconds[count].append(done.seconds)
        found += _rows(name, {0: [alone]} | seconds, workers[0], load)
    return found


def today() -> str:
    """The date, as it stands beside figures."""
    return time.strftime("%Y-%m-%d")
