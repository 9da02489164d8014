"""A portfolio: one problem, several seeds and backends, and the best of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Any, ClassVar

import dimod

from qubo_dnn.backend import (
    Backend,
    Capabilities,
    SolveOptions,
    Startable,
    check_kinds,
    check_model,
    check_options,
)
from qubo_dnn.cluster.cluster import Cluster
from qubo_dnn.cluster.portfolio_search import PortfolioSearch
from qubo_dnn.errors import OptionError
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.registry import get_backend

RUNS = 8
"""Number of runs where workers are given, and no number: the same for any number of workers."""


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
        search = PortfolioSearch(self.backends, self.runs, options, self.capabilities.fills_time)
        if self._cluster is None:
            search.here(asked)
        else:
            search.on(self._cluster, asked)
        return search.result()


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
