"""A portfolio: one problem, several seeds and backends, and the best of all."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any, ClassVar, cast

import dimod
import numpy as np

from qubo_dnn.backend import (
    Backend,
    Capabilities,
    ConstrainedBackend,
    SolveOptions,
    Startable,
    check_kinds,
    check_model,
    check_options,
)
from qubo_dnn.cluster.cluster import Cluster
from qubo_dnn.cluster.merging import merged
from qubo_dnn.cluster.tasks import TaskRun
from qubo_dnn.cluster.worker import Outcome
from qubo_dnn.errors import BackendFailedError, OptionError
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.registry import get_backend

RUNS = 8
"""Number of runs where workers are given, and no number: the same for any number of workers."""
# At Ctrl-C, at the target and after the time limit, seconds for runs to end with their best so far.
_GRACE = 5.0


class Portfolio:
    """A backend that runs others several times, on workers or one after the other, and returns their best states.

    The runs are fixed in advance: run k uses backend k modulo their number, and a seed that follows from the given one
    and k; run 0 uses the given seed. Results are combined in the order of the runs. So a seed gives the same samples
    for any number of workers, unless time decides: with a time limit, a `target_energy` that one run has reached, or
    Ctrl-C, other runs end early. They are never steered.

    With a time limit, every run gets the time that is left, divided by the number of runs that still have to begin on
    every worker.

    Args:
        backends: at least one; the options of several are those that all backends have.
        runs: number of runs, at least the number of backends.
        cluster: the workers; None: the runs take place here. Copies in other processes have none.

    Raises:
        OptionError: there are fewer runs than backends.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> portfolio = Portfolio([get_backend("tabu"), get_backend("steepest-descent")], runs=4)
        >>> model = dimod.BinaryQuadraticModel({"a": -1.0, "b": -2.0}, {("a", "b"): 3.0}, 0.0, "BINARY")
        >>> found = portfolio.sample(model, SolveOptions(seed=1))
        >>> portfolio.name, float(found.first.energy), len(found.info["runs"])
        ('tabu+steepest-descent*4', -2.0, 4)
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    options_type: ClassVar[type[SolveOptions]]

    def __init__(self, backends: Sequence[Backend], runs: int, cluster: Cluster | None = None) -> None:
        if not 1 <= len(backends) <= runs:
            raise OptionError(f"a portfolio of {len(backends)} backends needs at least as many runs, not {runs}")
        self.backends, self.runs, self._cluster = tuple(backends), runs, cluster
        # The contract has class variables, and these depend on the backends.
        names = [each.name for each in backends]
        self.name = f"{'+'.join(names)}*{runs}"  # type: ignore[misc]
        self.summary = f"The best of {runs} runs of {', '.join(names)}"  # type: ignore[misc]
        self.options_type = backends[0].options_type if len(backends) == 1 else SolveOptions  # type: ignore[misc]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_cluster": None}

    @property
    def capabilities(self) -> Capabilities:
        """What all backends are capable of."""
        return reduce(_both, (each.capabilities for each in self.backends))

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`.

        Returns:
            The rows of all runs by energy, or `num_reads` of them, different ones first. `info` is that of the best
            run; `info["runs"]` has the backend, the seed and the least energy of every run.
        """
        check_options(self, options)
        check_model(self, bqm)
        return self._best(bqm, options)

    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        """Draw samples that keep the constraints; see `qubo_dnn.backend.ConstrainedBackend.sample_constrained`."""
        check_options(self, options)
        check_model(self, problem.objective)
        check_kinds(self, problem)
        # Workers need neither the terms of the user nor what only they can decode.
        return self._best(replace(problem, decoder=dict, native=None), options)

    def begun_at(self, options: SolveOptions, state: Sample) -> SolveOptions:
        """Let every run of a single backend begin at a state, too; see `qubo_dnn.backend.Startable.begun_at`."""
        only = self.backends[0]
        return only.begun_at(options, state) if len(self.backends) == 1 and isinstance(only, Startable) else options

    def _best(self, asked: Any, options: SolveOptions) -> dimod.SampleSet:
        search = _Search(self, options)
        if self._cluster is None:
            search.here(asked)
        else:
            search.on(self._cluster, asked)
        return search.result()


class _Search:
    """One call of a portfolio.

    Args:
        portfolio: the portfolio.
        options: its options.
    """

    def __init__(self, portfolio: Portfolio, options: SolveOptions) -> None:
        self._backends, self._count, self._options = portfolio.backends, portfolio.runs, options
        self._fills = portfolio.capabilities.fills_time
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

    def _collect(self, tasks: TaskRun) -> None:
        """Interrupt the runs at work, and take their best so far."""
        if not tasks.pending:
            return
        ours = self._interrupted
        tasks.interrupt()
        until = time.monotonic() + _GRACE
        while (ended := tasks.wait(until - time.monotonic())) is not None:
            if ended[1].value is not None:
                self._keep(*ended)
        # They say that they were interrupted, which the user has not done.
        self._interrupted = ours

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


def _both(one: Capabilities, other: Capabilities) -> Capabilities:
    """Return what both are capable of."""
    limits = [each.max_variables for each in (one, other) if each.max_variables is not None]
    return Capabilities(
        max_variables=min(limits, default=None),
        exact=one.exact and other.exact,
        seeded=one.seeded and other.seeded,
        timed=one.timed and other.timed,
        fills_time=one.fills_time or other.fills_time,
        remote=one.remote or other.remote,
        structured=one.structured or other.structured,
        native_constraints=one.native_constraints & other.native_constraints,
        low_rank=one.low_rank and other.low_rank,
        bounds=one.bounds and other.bounds,
    )


def on_workers(backend: Backend, cluster: Cluster | None) -> Backend:
    """Return a portfolio whose runs take place on workers; any other backend is returned as it is.

    Args:
        backend: any backend.
        cluster: the workers; None: the runs take place here.

    Example:
        >>> on_workers(portfolio_of("tabu", 4), None).name
        'tabu*4'
    """
    return Portfolio(backend.backends, backend.runs, cluster) if isinstance(backend, Portfolio) else backend


def portfolio_of(backend: Backend | str, runs: int | None = None) -> Backend:
    """Return a portfolio, or the backend itself where neither several backends nor runs are asked for.

    Args:
        backend: an instance, a name, or several names such as "pt+tabu".
        runs: number of runs; None: one for every backend.

    Raises:
        OptionError: there are fewer runs than backends.
        UnknownBackendError: a name is unknown.

    Example:
        >>> portfolio_of("tabu").name, portfolio_of("pt+tabu").name, portfolio_of("pt", 4).name
        ('tabu', 'pt+tabu*2', 'pt*4')
    """
    backends = [get_backend(name) for name in backend.split("+")] if isinstance(backend, str) else [backend]
    if runs is None and len(backends) == 1:
        return backends[0]
    return Portfolio(backends, len(backends) if runs is None else runs)
