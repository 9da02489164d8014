"""The clock of one run: CPU seconds of the process, and the best energy at every moment."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Hashable, Mapping, Sequence

import dimod
import numpy as np

from qubo_dnn.errors import BackendFailedError

# Of the energies that solvers claim, against the model's own.
_TOLERANCE = 1e-6

Trace = Sequence[tuple[float, float]]


def cpu_seconds() -> float:
    """CPU seconds of this process and of those child processes that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class CpuClock:
    """What a solver reports to, and asks how much time is left.

    CPU seconds of all threads count, so that a solver gains nothing from a second thread, and waiting for other
    processes costs nothing. What shares a core or its caches still slows it down.

    Args:
        bqm: the model.
        seconds: the budget.
        target: energy that ends the run; None for none.
        now: CPU seconds since some moment; for tests.

    Attributes:
        trace: (CPU seconds, energy) of every improvement.
        flips_per_second: attempted in the largest call, whose share of preparation is the smallest; None where the
            solver has no such thing.
        sample: that has the last energy of the trace; None where it is not known yet.
    """

    def __init__(
        self,
        bqm: dimod.BinaryQuadraticModel,
        seconds: float,
        target: float | None = None,
        now: Callable[[], float] = cpu_seconds,
    ) -> None:
        self.bqm, self.budget, self.target, self._now = bqm, seconds, target, now
        self.trace: list[tuple[float, float]] = []
        self.flips_per_second: float | None = None
        self.sample: Mapping[Hashable, int] | None = None
        self._began = self._called = now()
        self._flips = 0.0

    @property
    def seconds(self) -> float:
        """CPU seconds since the run began."""
        return self._now() - self._began

    @property
    def left(self) -> float:
        """CPU seconds until the budget is spent, at least 0."""
        return max(0.0, self.budget - self.seconds)

    @property
    def energy(self) -> float | None:
        """The best so far."""
        return self.trace[-1][1] if self.trace else None

    @property
    def reached(self) -> bool:
        """Whether the target is."""
        return self.target is not None and self.energy is not None and self.energy <= self.target + _slack(self.target)

    @property
    def over(self) -> bool:
        """Whether the run has to end."""
        return self.reached or self.seconds >= self.budget

    def report(self, energy: float, sample: Mapping[Hashable, int] | None = None, seconds: float | None = None) -> None:
        """Note an energy, if it is the best so far.

        Args:
            energy: of the model.
            sample: that has it; None where `complete` or `see` gets it later.
            seconds: of the run, when it was found; None for now.
        """
        if self.energy is None or energy < self.energy:
            self.trace.append((self.seconds if seconds is None else seconds, float(energy)))
            self.sample = sample

    def see(self, answer: dimod.SampleSet) -> None:
        """Note the best row of an answer."""
        if not len(answer):
            return
        row = int(np.argmin(answer.record.energy))
        sample = dict(zip(answer.variables, answer.record.sample[row].tolist(), strict=True))
        self.complete(float(answer.record.energy[row]), sample)

    def complete(self, energy: float, sample: Mapping[Hashable, int]) -> None:
        """Note an energy with its sample, if it is the best so far, or the best so far lacks a sample."""
        best = self.energy
        if best is None or energy < best or (self.sample is None and energy <= best + _slack(best)):
            self.report(energy, sample)
            self.sample = sample

    def attempted(self, flips: float) -> None:
        """Note the attempted flips of a call, which took the time since the one before."""
        now = self._now()
        if flips >= self._flips:
            self._flips, self.flips_per_second = flips, flips / max(now - self._called, 1e-9)
        self._called = now

    def check(self, solver: str) -> None:
        """Compute the best energy again, exactly; to be called when the run is over.

        Raises:
            BackendFailedError: there is none, no sample has it, or the sample has another one.
        """
        if self.energy is None or self.sample is None:
            raise BackendFailedError(f"{solver} gave no sample")
        exact = float(self.bqm.energy(dict(self.sample)))
        if abs(exact - self.energy) > _TOLERANCE * max(1.0, abs(exact)):
            raise BackendFailedError(f"{solver} claims the energy {self.energy!r}, but its best sample has {exact!r}")


def best_at(trace: Trace, seconds: float) -> float | None:
    """The best energy of a trace at that moment; None before its first."""
    return next((energy for when, energy in reversed(trace) if when <= seconds), None)


def time_to(trace: Trace, energy: float, seconds: float) -> float | None:
    """When a trace had reached an energy; None where it had not within `seconds`."""
    return next((when for when, found in trace if found <= energy + _slack(energy) and when <= seconds), None)


def _slack(energy: float) -> float:
    """How much the rounding of a long sum may make of an energy."""
    return 1e-9 * max(1.0, abs(energy))
