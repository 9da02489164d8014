"""Seconds of a measurement and of a portfolio with one worker and with several, in turn."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from bench.networks.loading import load
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

Work = Callable[[Cluster | None], np.ndarray[Any, Any]]


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

    def work(cluster: Cluster | None) -> np.ndarray[Any, Any]:
        model = gauss_newton(network, layers, data, cluster=cluster)
        ratios = measure_nonlinearity(network, layers, widths, model, data, loss=CROSS_ENTROPY, cluster=cluster)
        assert model.matrix is not None  # it fits into the memory
        return np.concatenate([model.matrix.ravel(), ratios.ravel()])

    return work


def portfolio(sweeps: int) -> Work:
    """Eight runs of `neal` on a dense spin glass of 500 spins; returns the best state."""
    model, neal = sherrington_kirkpatrick(500, 1), get_backend("neal")
    options = make_options(neal, {"seed": 1, "num_sweeps": sweeps, "num_reads": 1})

    def work(cluster: Cluster | None) -> np.ndarray[Any, Any]:
        best: np.ndarray[Any, Any] = Portfolio([neal], RUNS, cluster).sample(model, options).record.sample
        return best

    return work


def rows(works: dict[str, Work], workers: Sequence[int], turns: int) -> list[dict[str, Any]]:
    """Seconds of every work for every number of workers, whose results are compared bit for bit with those of none.

    Args:
        works: name -> work.
        workers: numbers of workers, the first one is the one to compare with.
        turns: number of measurements of each, which take turns, so that other work on the machine disturbs all; one
            before them is not counted, since workers load modules in it.

    Returns:
        Rows with the least of the seconds, since other work only adds to them, and with all; those with 0 workers tell
        what this process takes alone.

    Raises:
        BackendFailedError: a result differs.
    """
    found = []
    with ExitStack() as held:
        clusters = {count: held.enter_context(connected(f"local:{count}")) for count in workers}
        for name, work in works.items():
            expected, began = work(None), time.perf_counter()
            work(None)
            alone = time.perf_counter() - began
            seconds: dict[int, list[float]] = {count: [] for count in workers}
            load = os.getloadavg()[0]
            for turn in range(turns + 1):
                for count, cluster in clusters.items():
                    began = time.perf_counter()
                    if not np.array_equal(work(cluster), expected):
                        raise BackendFailedError(f"{name} with {count} workers differs from that with none")
                    if turn:
                        seconds[count].append(time.perf_counter() - began)
            first = min(seconds[workers[0]])
            for count, times in ({0: [alone]} | seconds).items():
                least = min(times)
                row = {"work": name, "workers": count, "seconds": least, "faster": first / least, "load": load}
                found.append(row | {"turns": times, "date": today()})
    return found


def today() -> str:
    """The date, as it stands beside figures."""
    return time.strftime("%Y-%m-%d")
