"""Measure how long ONNX files take in onnxruntime, one after the other in turns."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median, quantiles
from typing import Any

import torch
from numpy.typing import NDArray

from qubo_dnn.compression.data.inputs import Inputs

Feed = Mapping[str, NDArray[Any]]

_WARM = 3


@dataclass(frozen=True)
class Latency:
    """Times of a network before and after, in milliseconds for one batch.

    Attributes:
        threads: threads of onnxruntime.
        batch: samples in the batch.
        before, after: median times.
        before_quartiles, after_quartiles: first and third quartile.
        runs: runs of each.

    Example:
        >>> times = {"before_quartiles": (1.9, 2.1), "after_quartiles": (0.9, 1.1)}
        >>> Latency(threads=1, batch=1, before=2.0, after=1.0, runs=50, **times).speedup
        2.0
    """

    threads: int
    batch: int
    before: float
    after: float
    before_quartiles: tuple[float, float]
    after_quartiles: tuple[float, float]
    runs: int

    @property
    def speedup(self) -> float:
        """How many times faster the network is."""
        return self.before / self.after


def compare_latency(before: Any, after: Any, feeds: tuple[Feed, Feed], *, threads: int, runs: int) -> Latency:
    """Run two sessions in turns, so that both meet the same disturbances.

    Args:
        before: a session with so many threads.
        after: another one.
        feeds: what each takes, with the same number of samples.
        threads: number of threads, for the record.
        runs: runs of each, at least two.

    Example:
        >>> def speedup(before: Any, after: Any, feed: Feed) -> float:
        ...     return compare_latency(before, after, (feed, feed), threads=1, runs=50).speedup
    """
    times: tuple[list[float], list[float]] = ([], [])
    for run in range(_WARM + runs):
        for session, feed, taken in zip((before, after), feeds, times, strict=True):
            start = time.perf_counter()
            session.run(None, feed)
            if run >= _WARM:
                taken.append(1000 * (time.perf_counter() - start))
    (one, first), (other, second) = (_summary(each) for each in times)
    return Latency(
        threads=threads,
        batch=len(next(iter(feeds[0].values()))),
        before=one,
        after=other,
        before_quartiles=first,
        after_quartiles=second,
        runs=runs,
    )


def _summary(times: Sequence[float]) -> tuple[float, tuple[float, float]]:
    low, _, high = quantiles(times, n=4)
    return median(times), (low, high)


def repeated(inputs: Inputs, batch: int) -> Inputs:
    """Return inputs of so many samples: the first ones, again and again if there are fewer.

    Example:
        >>> import torch
        >>> repeated(Inputs({0: torch.arange(3)}), 5).only.tolist()
        [0, 1, 2, 0, 1]
    """
    chosen = torch.arange(batch) % len(inputs)
    return replace(inputs, values={key: value[chosen] for key, value in inputs.values.items()})
