"""The runs of a portfolio, here or on workers, and what is made of their results."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import dimod
import numpy as np

from qubo_dnn.backend import PROGRESS, Backend, ConstrainedBackend, SolveOptions
from qubo_dnn.cluster.cluster import Cluster
from qubo_dnn.cluster.merging import merged
from qubo_dnn.cluster.tasks import TaskRun
from qubo_dnn.cluster.worker import Outcome
from qubo_dnn.errors import BackendFailedError
from qubo_dnn.problem import Problem

# At Ctrl-C, at the target and after the time limit, seconds for runs to end with their best so far.
_GRACE = 5.0
# The same where no run has ended, so that all would be lost.
_GRACE_FOR_FIRST = 60.0


class PortfolioSearch:
    """One call of a portfolio.

    Args:
        backends: the backends, which take turns.
        runs: number of runs.
        options: options of all backends; `target_energy` ends all runs.
        fills_time: True if the backends use a whole time limit, which runs then share.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> search = PortfolioSearch([get_backend("tabu")], 2, SolveOptions(seed=1), fills_time=True)
        >>> search.here(dimod.BinaryQuadraticModel({"a": -1.0}, {}, 0.0, "BINARY"))
        >>> float(search.result().first.energy)
        -1.0
    """

    def __init__(self, backends: Sequence[Backend], runs: int, options: SolveOptions, fills_time: bool) -> None:
        self._backends, self._count, self._options, self._fills = backends, runs, options, fills_time
        self._limit = math.inf if options.time_limit is None else options.time_limit
        self._started = time.perf_counter()
        target = getattr(options, "target_energy", None)
        self._target = -math.inf if target is None else target
        self._found: dict[int, Outcome] = {}
        self._over = self._interrupted = False

    def here(self, asked: Any) -> None:
        """Run one after the other in this process."""
        try:
            for number in range(self._count):
                if self._over or (number and self._left <= 0.0):
                    return
                try:
                    self._keep(number, Outcome(_sampled((self._backends, asked), *self._run(number, slots=1))))
                except BackendFailedError as error:
                    self._keep(number, Outcome(error=error))
        except KeyboardInterrupt:
            self._interrupted = True

    def on(self, cluster: Cluster, asked: Any) -> None:
        """Run on workers."""
        # A backend that keeps its limit is late by no more than its start.
        timeout = None if math.isinf(self._limit) else 2.0 * self._limit + 60.0
        with TaskRun(cluster, _sampled, (self._backends, asked), timeout=timeout) as tasks:
            begun = 0
            try:
                while True:
                    while begun < self._count and tasks.pending < cluster.slots and not (begun and self._left <= 0.0):
                        tasks.submit(begun, *self._run(begun, cluster.slots))
                        begun += 1
                    ended = tasks.wait(None if math.isinf(self._left) else self._left + _GRACE)
                    if ended is None:
                        break
                    self._keep(*ended)
                    if self._over:
                        break
            except KeyboardInterrupt:
                self._interrupted = True
            self._collect(tasks)

    def result(self) -> dimod.SampleSet:
        """Combine the runs in their order.

        Raises:
            BackendFailedError: all runs failed.
            KeyboardInterrupt: Ctrl-C ended the search before the first result.
        """
        errors = [each.error for _, each in sorted(self._found.items()) if each.error is not None]
        for error in errors:
            if not isinstance(error, BackendFailedError):
                raise error
        found = {number: each.value for number, each in sorted(self._found.items()) if each.value is not None}
        if not found:
            if errors and not self._interrupted:
                raise errors[0]
            if self._interrupted:
                raise KeyboardInterrupt
            raise BackendFailedError("no run of the portfolio ended in time")
        best = min(found, key=lambda number: float(found[number].record.energy.min(initial=math.inf)))
        info: dict[str, Any] = {**found[best].info, "found_by_run": best, "runs": self._records()}
        info["interrupted"] = self._interrupted
        bounds = [each.info["bound"] for each in found.values() if "bound" in each.info]
        if bounds:
            info["bound"] = max(bounds)
            info["optimal"] = any(each.info.get("optimal") is True for each in found.values())
        return merged(list(found.values()), self._options.num_reads, info)

    @property
    def _left(self) -> float:
        return self._limit - (time.perf_counter() - self._started)

    def _run(self, number: int, slots: int) -> tuple[int, dict[str, Any]]:
        """Return the place of a run's backend, and its options."""
        values = {name: getattr(self._options, name) for name in self._options.model_fields_set}
        if self._options.seed is not None:
            values["seed"] = _seed_of(self._options.seed, number)
        if not math.isinf(self._limit):
            waves = -(-(self._count - number) // slots) if self._fills else 1
            values["time_limit"] = max(self._left / waves, 1e-3)
        return number % len(self._backends), values

    def _keep(self, number: int, outcome: Outcome) -> None:
        self._found[number] = outcome
        found = outcome.value
        if outcome.interrupted or (found is not None and found.info.get("interrupted") is True):
            self._interrupted = self._over = True
        if outcome.error is not None and not isinstance(outcome.error, BackendFailedError):
            self._over = True
        if found is not None and len(found) and float(found.record.energy.min()) <= self._target:
            self._over = True
        energies = [each.value.record.energy.min() for each in self._found.values() if each.value is not None]
        if energies:
            text = "portfolio: %d of %d runs, best energy %.10g"
            logging.getLogger(f"{PROGRESS}.portfolio").debug(text, len(self._found), self._count, min(energies))

    def _collect(self, tasks: TaskRun) -> None:
        """Interrupt the runs at work, and take their best so far."""
        if not tasks.pending:
            return
        ours = self._interrupted
        tasks.interrupt()
        asked = time.monotonic()
        while (ended := tasks.wait(asked + self._grace - time.monotonic())) is not None:
            if ended[1].value is not None:
                self._keep(*ended)
        # They say that they were interrupted, which the user has not done.
        self._interrupted = ours

    @property
    def _grace(self) -> float:
        """Seconds to wait for the best so far of interrupted runs; a second Ctrl-C ends it at once."""
        return _GRACE if any(each.value is not None for each in self._found.values()) else _GRACE_FOR_FIRST

    def _records(self) -> list[dict[str, Any]]:
        """Return a record of every run that has begun, in their order."""
        records = []
        for number, outcome in sorted(self._found.items()):
            found = outcome.value
            records.append(
                {
                    "backend": self._backends[number % len(self._backends)].name,
                    "seed": None if self._options.seed is None else _seed_of(self._options.seed, number),
                    "energy": None if found is None else float(found.record.energy.min()),
                    "failed": None if outcome.error is None else str(outcome.error),
                }
            )
        return records


def _sampled(shared: tuple[Sequence[Backend], Any], place: int, values: Mapping[str, Any]) -> dimod.SampleSet:
    """Run a backend on a model or on a problem; the task of a worker."""
    backends, asked = shared
    backend = backends[place]
    options = backend.options_type(**values)
    if isinstance(asked, Problem):
        return cast(ConstrainedBackend, backend).sample_constrained(asked, options)
    return backend.sample(asked, options)


def _seed_of(seed: int, number: int) -> int:
    """Return the seed of a run; run 0 has the given one."""
    if number == 0:
        return seed
    # A spawn key, so that these are not the seeds of further calls of a search.
    return int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1)[0])
