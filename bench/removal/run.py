"""All rows of a run: every method at every budget, with the same images, channels and repairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from bench.processes import cpu_timed
from bench.removal.channels import Channels
from bench.removal.measured import Measured
from bench.removal.methods import METHODS, OURS, UNIFORM
from bench.removal.results import RemovalResults, RemovalRow
from bench.removal.smaller import smaller_network
from bench.removal.speed import latency
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.inference import evaluate

# Latency depends on the shapes alone.
TIMED = (OURS, UNIFORM)


def run(
    model: nn.Module,
    calibration: Data,
    test: Data,
    results: RemovalResults,
    heard: Callable[[str], None],
    *,
    methods: Sequence[str],
    percents: Sequence[float],
    seeds: Sequence[int],
    size: int,
    turns: int,
) -> None:
    """Add to `results` what is not there yet.

    Args:
        model: the network.
        calibration: images to draw from.
        test: labelled images.
        results: added to.
        heard: called with a text whenever there is more.
        methods: names.
        percents: of the multiply-accumulates of the whole network that may stay.
        seeds: all methods with the first one come before any with another.
        size: calibration images that are drawn, a quarter of them held out.
        turns: of timing, of some methods with the first seed.
    """
    if results.accuracy is None:
        results.accuracy = evaluate(model, test).accuracy
    for seed in seeds:
        measured = Measured(Channels.of(model, calibration, size, 0.25, seed))
        for percent in percents:
            for method in methods:
                if (method, percent, seed) not in results:
                    timed = method in TIMED and seed == seeds[0]
                    row = _row(measured, method, percent, test, turns if timed else 0)
                    results.rows.append(row)
                    heard(f"{method}, {percent:g} %, seed {seed}: {row.accuracy:.2%}, {row.divergence:.4f} nats")


def _row(measured: Measured, method: str, percent: float, test: Data, turns: int) -> RemovalRow:
    channels = measured.channels
    removed, seconds = cpu_timed(METHODS[method], measured, percent / 100)
    smaller = smaller_network(channels, removed, test)
    return RemovalRow(
        method=method,
        percent=percent,
        seed=channels.seed,
        macs=smaller.macs,
        kept=channels.kept(removed),
        accuracy=smaller.accuracy,
        divergence=smaller.divergence,
        held_out_divergence=smaller.held_out_divergence,
        seconds=seconds,
        latency=latency(channels.model, smaller.model, channels.measured_on, turns) if turns else {},
    )
