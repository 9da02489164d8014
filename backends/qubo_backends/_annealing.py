"""What Ocean's two annealers share: options, the default schedule, and reads that fit a time limit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Literal, Protocol

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from qubo_backends import _ocean
from qubo_backends._sampling import FloatPair
from qubo_dnn.backend import SolveOptions

_PROBE_READS = 5
# Part of the remaining time that a shortened read is planned for.
_SAFETY = 0.85
_GROWTH = 8


class AnnealingOptions(SolveOptions):
    """Options of both annealers.

    Under a time limit as many reads are drawn as fit; when not even one fits, its sweeps are reduced.
    """

    num_sweeps: int = Field(default=1000, ge=1, description="sweeps per read")
    beta_range: FloatPair | None = Field(
        default=None,
        description="first,last inverse temperature, per unit of the model (default: from the biases)",
    )
    beta_schedule_type: Literal["geometric", "linear"] = Field(
        default="geometric", description="how inverse temperatures are spaced"
    )

    @model_validator(mode="after")
    def _usable(self) -> AnnealingOptions:
        lowest = min(self.beta_range or (1.0,))
        if lowest < 0 or (lowest == 0 and self.beta_schedule_type == "geometric"):
            raise ValueError("beta_range must be positive (0 is possible with a linear schedule)")
        return self


class Draw(Protocol):
    """Draws `reads` rows of `sweeps` sweeps each; asks `stop` after every row whether to end."""

    def __call__(self, reads: int, sweeps: int, seed: int, stop: Callable[[], bool]) -> NDArray[np.int8]: ...


def default_beta_range(bqm: dimod.BinaryQuadraticModel) -> tuple[float, float]:
    """The default range of dwave-samplers, which loops over the biases in Python (10 s for 9 million of them).

    Args:
        bqm: SPIN model over 0, ..., n - 1.

    Source: `default_beta_range` of dwave-samplers 1.4 and later.
    """
    linear, (rows, columns, couplings), _ = bqm.to_numpy_vectors(variable_order=range(bqm.num_variables))
    n, ends, sizes = len(linear), np.concatenate([rows, columns]), np.abs(np.concatenate([couplings, couplings]))
    largest = float((np.abs(linear) + np.bincount(ends, sizes, minlength=n)).max(initial=0.0))
    if largest == 0.0:
        return 0.1, 1.0
    smallest = np.where(linear == 0, np.inf, np.abs(linear))
    np.minimum.at(smallest, ends[sizes > 0], sizes[sizes > 0])
    gap = smallest.min()
    return math.log(2) / (2 * largest), math.log(int((smallest == gap).sum()) / 0.01) / (2 * float(gap))


def anneal(job: _ocean.SamplerJob, sweeps: int, draw: Draw) -> tuple[NDArray[np.int8], int]:
    """Draw the reads of a job, within its time limit.

    Returns:
        The rows, and the sweeps each of them got: fewer than `sweeps` when one full read would not have fitted.
    """
    seed = _of_31_bits(job.seed)
    watch = job.watch
    if math.isinf(watch.time_limit):
        return draw(job.reads, sweeps, seed, lambda: watch.interrupted), sweeps

    pace = _Pace(lambda longest: watch.over or (pace.reads > 1 and watch.seconds + longest > watch.time_limit / 20))
    rows, length = draw(_PROBE_READS, 1, seed, pace), 1
    overhead, per_sweep = pace.overhead(len(rows)), pace.longest
    while length < sweeps:
        affordable = int((_SAFETY * watch.seconds_left - overhead) / per_sweep)
        if watch.interrupted or affordable < 2 * length:
            return rows[: job.reads], length
        # Hot sweeps flip most and cost most, and a short anneal may have none: lengthen step by step.
        length = min(sweeps, affordable, _GROWTH * length)
        if length < sweeps:
            pace = _Pace(lambda _: True)
            rows = draw(1, length, seed, pace)
            per_sweep = max(1e-9, pace.longest - overhead) / length
    kept: list[NDArray[np.int8]] = []
    drawn = 0
    while drawn < job.reads and not (kept and (watch.over or watch.seconds_left < overhead + sweeps * per_sweep)):
        fitting = max(1, int(watch.seconds_left / (sweeps * per_sweep)))
        pace = _Pace(lambda longest: watch.over or watch.seconds_left < longest)
        kept.append(draw(min(job.reads - drawn, fitting), sweeps, _of_31_bits(seed + drawn), pace))
        drawn += len(kept[-1])
        per_sweep = pace.longest / sweeps
    return np.concatenate(kept), sweeps


def _of_31_bits(seed: int) -> int:
    """The seed as both samplers take it: not 0, which asks one of them for a random one, and below 2^31.

    Larger seeds are mixed, so that they do not draw what the seeds 2^31 below them draw.
    """
    if seed >= 2**31:
        seed = int(np.random.SeedSequence(seed).generate_state(1)[0]) >> 1
    return seed or 2**31 - 1


class _Pace:
    """A `stop` callback that measures how long reads take, apart from what a call costs around them."""

    def __init__(self, stop: Callable[[float], bool]) -> None:
        self._stop = stop
        self._began = self._last = time.perf_counter()
        self._laps: list[float] = []

    def __call__(self) -> bool:
        now = time.perf_counter()
        self._laps.append(now - self._last)
        self._last = now
        return self._stop(self.longest)

    @property
    def reads(self) -> int:
        """Reads drawn so far."""
        return len(self._laps)

    @property
    def longest(self) -> float:
        """Seconds of the longest read; the first one counts only when alone, for it includes the preparation."""
        return max(1e-9, *(self._laps[1:] or self._laps))

    def overhead(self, reads: int) -> float:
        """Seconds of the call until now beyond `reads` reads."""
        return max(0.0, time.perf_counter() - self._began - reads * self.longest)
