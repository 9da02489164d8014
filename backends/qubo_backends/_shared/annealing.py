"""Common parts of Ocean's two annealers: options, the default schedule, and reads within a time limit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeVar

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from qubo_backends._shared import ocean
from qubo_backends._shared.sampling import FloatPair, split

_PROBE_READS = 5
# Share of the remaining time for which a shortened read is planned.
_SAFETY = 0.85
_GROWTH = 8


class AnnealingOptions(ocean.InitializedOptions):
    """Options of both annealers; names and meanings are those of the samplers.

    With a time limit, the backend draws as many reads as fit; if not even one fits, its schedule has fewer steps.
    """

    default_sweeps: ClassVar[int] = 1000
    schedule_option: ClassVar[str] = "beta_schedule"
    """Name of the option with a schedule of the caller's own."""
    passed_on: ClassVar[tuple[str, ...]] = ()
    """Options that the sampler gets as they are, unless they are None."""

    num_sweeps: int | None = Field(
        default=None,
        ge=0,
        description="number of sweeps per read (default: 1000, or as a custom schedule has it); 0: the initial states",
    )
    num_sweeps_per_beta: int = Field(
        default=1, ge=1, description="number of sweeps at every inverse temperature; divides `num_sweeps`", examples=[5]
    )
    beta_range: FloatPair | None = Field(
        default=None,
        description="first,last inverse temperature, in 1/unit of the model (default: from the biases)",
    )
    beta_schedule_type: Literal["geometric", "linear", "custom"] = Field(
        default="geometric", description="spacing of the inverse temperatures"
    )
    interrupt_function: Callable[[], Any] | None = Field(
        default=None, description="called after every read; True ends the run; from Python only"
    )

    @property
    def schedule(self) -> tuple[float, ...] | None:
        """The caller's own inverse temperatures."""
        schedule: tuple[float, ...] | None = getattr(self, self.schedule_option)
        return schedule

    @property
    def steps(self) -> int:
        """Number of inverse temperatures per read."""
        if self.schedule is not None:
            return len(self.schedule)
        return (self.default_sweeps if self.num_sweeps is None else self.num_sweeps) // self.num_sweeps_per_beta

    @model_validator(mode="after")
    def _usable(self) -> AnnealingOptions:
        lowest = min(self.beta_range or (1.0,))
        if lowest < 0 or (lowest == 0 and self.beta_schedule_type == "geometric"):
            raise ValueError("beta_range must be positive (0 is possible with a linear schedule)")
        name, schedule = self.schedule_option, self.schedule
        if (schedule is None) == (self.beta_schedule_type == "custom"):
            raise ValueError(f"{name} and beta_schedule_type custom need each other")
        sweeps = self.default_sweeps if self.num_sweeps is None else self.num_sweeps
        if schedule is None:
            if sweeps % self.num_sweeps_per_beta:
                raise ValueError(f"num_sweeps, {sweeps}, must be a multiple of num_sweeps_per_beta")
        elif self.num_sweeps not in (None, self.steps * self.num_sweeps_per_beta):
            raise ValueError(f"num_sweeps must be the length of {name} times num_sweeps_per_beta")
        elif self.beta_range not in (None, (schedule[0], schedule[-1])):
            raise ValueError(f"beta_range must be the first and the last entry of {name}")
        return self

    def range_for(self, bqm: dimod.BinaryQuadraticModel) -> tuple[float, float]:
        """Return the first and last inverse temperature for a SPIN model over 0, ..., n - 1."""
        if self.schedule is not None:
            return self.schedule[0], self.schedule[-1]
        return self.beta_range or default_beta_range(bqm)

    def arguments(self, steps: int, beta_range: tuple[float, float]) -> dict[str, Any]:
        """Return the arguments of the sampler that follow from the options.

        Args:
            steps: `self.steps`, or fewer if time is short; a custom schedule then leaves some of its entries out.
            beta_range: from `range_for`.
        """
        names = ("beta_schedule_type", "num_sweeps_per_beta", *self.passed_on)
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        if self.schedule is None:
            return given | {"num_sweeps": steps * self.num_sweeps_per_beta, "beta_range": beta_range}
        return given | {self.schedule_option: thinned(self.schedule, steps)}

    def report(self, steps: int, beta_range: tuple[float, float]) -> dict[str, Any]:
        """Return the entries of `info` about a schedule; for its arguments see `arguments`."""
        return {
            "sweeps": steps * self.num_sweeps_per_beta,
            "beta_range": beta_range,
            "beta_schedule_type": self.beta_schedule_type,
        }


Schedule = Annotated[
    tuple[Annotated[float, Field(ge=0, allow_inf_nan=True)], ...], BeforeValidator(split), Field(min_length=1)
]
"""Inverse temperatures or fields, in the order in which they are swept; on a command line written as `0.1,1,10`."""


def thinned(schedule: Sequence[float], steps: int) -> NDArray[np.float64]:
    """Return `[steps]` entries of a schedule, evenly spaced, the last one included.

    Example:
        >>> thinned([1.0, 2.0, 3.0, 4.0, 5.0], 3).tolist()
        [1.0, 3.0, 5.0]
    """
    places = np.linspace(len(schedule) - 1, 0, steps)[::-1]
    chosen: NDArray[np.float64] = np.asarray(schedule, np.float64)[places.round().astype(int)]
    return chosen


AnnealingT = TypeVar("AnnealingT", bound=AnnealingOptions)


class Annealer(ocean.OceanBackend[AnnealingT]):
    """A backend that wraps one of the two annealers.

    Attributes:
        sampler: its class.
        reported: entries of its `info` that are kept.
    """

    sampler: ClassVar[type[dimod.Sampler]]
    reported: ClassVar[tuple[str, ...]] = ()

    def draw(self, job: ocean.SamplerJob, options: AnnealingT) -> ocean.Drawn:
        """See `OceanBackend.draw`."""
        beta_range = options.range_for(job.bqm)
        kept: dict[str, Any] = {}

        def draw(reads: slice, steps: int, seed: int, stop: Callable[[], bool]) -> NDArray[np.int8]:
            arguments = options.arguments(steps, beta_range)
            found = job.sample(self.sampler(), job.starts_of(reads), seed=seed, interrupt_function=stop, **arguments)
            kept.update((name, found.info[name]) for name in self.reported if name in found.info)
            return ocean.columns(found)

        rows, steps = anneal(job, options.steps, draw)
        return ocean.Drawn(rows, options.report(steps, beta_range) | kept)


class Draw(Protocol):
    """Draws some reads of the job, of `steps` steps each; ends when `stop`, called after every row, returns True."""

    def __call__(self, reads: slice, steps: int, seed: int, stop: Callable[[], bool]) -> NDArray[np.int8]: ...


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


def anneal(job: ocean.SamplerJob, steps: int, draw: Draw) -> tuple[NDArray[np.int8], int]:
    """Draw the reads of a job, within its time limit.

    Returns:
        The rows, and the number of steps per row: fewer than `steps` if one full read does not fit.
    """
    seed = _of_31_bits(job.seed)
    watch = job.watch
    if math.isinf(watch.time_limit) or steps == 0:
        return draw(slice(0, job.reads), steps, seed, job.over), steps

    pace = _Pace(lambda longest: job.over() or (pace.reads > 1 and watch.seconds + longest > watch.time_limit / 20))
    # Initial states may be fewer than the probes.
    probes = _PROBE_READS if job.starts is None else min(_PROBE_READS, job.reads)
    rows, length = draw(slice(0, probes), 1, seed, pace), 1
    overhead, per_step = pace.overhead(len(rows)), pace.longest
    while length < steps:
        affordable = int((_SAFETY * watch.seconds_left - overhead) / per_step)
        if watch.interrupted or affordable < 2 * length:
            return rows[: job.reads], length
        # Hot sweeps flip most and cost most, and a short anneal may have none, so the length grows step by step.
        length = min(steps, affordable, _GROWTH * length)
        if length < steps:
            pace = _Pace(lambda _: True)
            rows = draw(slice(0, 1), length, seed, pace)
            per_step = max(1e-9, pace.longest - overhead) / length
    kept: list[NDArray[np.int8]] = []
    drawn = 0
    while drawn < job.reads and not (kept and (watch.over or watch.seconds_left < overhead + steps * per_step)):
        fitting = max(1, int(watch.seconds_left / (steps * per_step)))
        pace = _Pace(lambda longest: job.over() or watch.seconds_left < longest)
        reads = slice(drawn, min(job.reads, drawn + fitting))
        kept.append(draw(reads, steps, _of_31_bits(seed + drawn), pace))
        drawn += len(kept[-1])
        per_step = pace.longest / steps
    return np.concatenate(kept), steps


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
