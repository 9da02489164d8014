"""Common parts of Ocean's two annealers: options, the default schedule, and reads within a time limit."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from qubo_backends import _ocean
from qubo_backends._sampling import FloatPair
from qubo_dnn.backend import SolveOptions

_PROBE_READS = 5
# Share of the remaining time for which a shortened read is planned.
_SAFETY = 0.85
_GROWTH = 8


class AnnealingOptions(SolveOptions):
    """Options of both annealers.

    With a time limit, the backend draws as many reads as fit; if not even one fits, its sweeps are reduced.
    """

    num_sweeps: int = Field(default=1000, ge=1, description="number of sweeps per read")
    beta_range: FloatPair | None = Field(
        default=None,
        description="first,last inverse temperature, in 1/unit of the model (default: from the biases)",
    )
    beta_schedule_type: Literal["geometric", "linear"] = Field(
        default="geometric", description="spacing of the inverse temperatures"
    )

    @model_validator(mode="after")
    def _usable(self) -> AnnealingOptions:
        lowest = min(self.beta_range or (1.0,))
        if lowest < 0 or (lowest == 0 and self.beta_schedule_type == "geometric"):
            raise ValueError("beta_range must be positive (0 is possible with a linear schedule)")
        return self


AnnealingT = TypeVar("AnnealingT", bound=AnnealingOptions)


class Annealer(_ocean.OceanBackend[AnnealingT]):
    """A backend that wraps one of the two annealers.

    Attributes:
        sampler: its class.
    """

    sampler: ClassVar[type[dimod.Sampler]]

    @abstractmethod
    def settings(self, options: AnnealingT, sweeps: int) -> dict[str, Any]:
        """Return the arguments that only this annealer has, for reads of so many sweeps."""

    def draw(self, job: _ocean.SamplerJob, options: AnnealingT) -> tuple[NDArray[np.int8], dict[str, Any]]:
        """See `OceanBackend.draw`."""
        beta_range = options.beta_range or default_beta_range(job.bqm)

        def draw(reads: int, sweeps: int, seed: int, stop: Callable[[], bool]) -> NDArray[np.int8]:
            found = self.sampler().sample(
                job.bqm,
                num_reads=reads,
                num_sweeps=sweeps,
                seed=seed,
                beta_range=beta_range,
                beta_schedule_type=options.beta_schedule_type,
                interrupt_function=stop,
                **self.settings(options, sweeps),
            )
            return _ocean.columns(found)

        rows, sweeps = anneal(job, options.num_sweeps, draw)
        return rows, {"sweeps": sweeps, "beta_range": beta_range}


class Draw(Protocol):
    """Draws `reads` rows of `sweeps` sweeps each; ends when `stop`, called after every row, returns True."""

    def __call__(self, reads: int, sweeps: int, seed: int, stop: Callable[[], bool]) -> NDArray[np.int8]: ...


def default_beta_range(bqm: dimod.BinaryQuadraticModel) -> tuple[float, float]:
    """Return the default range of dwave-samplers, whose own loop in Python takes 10 s for 9 million biases.

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
        The rows, and the number of sweeps per row: fewer than `sweeps` if one full read does not fit.
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
        # Hot sweeps flip most and cost most, and a short anneal may have none, so the length grows step by step.
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
    """Convert the seed for both samplers: below 2^31, and not 0, which means a random seed for one of them.

    Larger seeds are mixed, so that they do not draw the same as seeds 2^31 below them.
    """
    if seed >= 2**31:
        seed = int(np.random.SeedSequence(seed).generate_state(1)[0]) >> 1
    return seed or 2**31 - 1


class _Pace:
    """A `stop` callback that measures the time of reads, separately from the overhead of a call."""

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
        """Number of reads drawn so far."""
        return len(self._laps)

    @property
    def longest(self) -> float:
        """Seconds of the longest read; the first one, which includes preparation, counts only if it is alone."""
        return max(1e-9, *(self._laps[1:] or self._laps))

    def overhead(self, reads: int) -> float:
        """Return the seconds of the call so far beyond those of `reads` reads."""
        return max(0.0, time.perf_counter() - self._began - reads * self.longest)
