"""All solvers on all instances, in turns, one after the other on one thread."""

from __future__ import annotations

import gc
import math
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib import metadata

from bench.solvers.clock import CpuClock, Trace, best_at
from bench.solvers.instance import BenchmarkInstance, BestKnown, gap
from bench.solvers.peers.peer import Peer, Run
from qubo_dnn.files.common.model import ObjectiveSense


@dataclass(frozen=True)
class SolverRun:
    """One solver on one instance with one seed.

    Attributes:
        instance, solver: names.
        seed: of the solver.
        seconds: CPU seconds it took; less than the budget where it reached the target, more where its last call did not
            end in time.
        trace: (CPU seconds, objective) of every improvement; with constraints, of feasible answers.
        flips_per_second: see `CpuClock`.
    """

    instance: str
    solver: str
    seed: int
    seconds: float
    trace: Trace
    flips_per_second: float | None

    def gap(self, seconds: float, about: InstanceSummary, best: float) -> float:
        """In % of the best value after so many CPU seconds; infinite where there was no answer yet."""
        value = best_at(self.trace, seconds)
        return math.inf if value is None else gap(value, best, about.sense)


@dataclass(frozen=True)
class InstanceSummary:
    """An instance without its model.

    Attributes:
        name, family, sense, best: of the instance.
        variables, interactions: of its model.
    """

    name: str
    family: str
    variables: int
    interactions: int
    sense: ObjectiveSense
    best: BestKnown | None

    @classmethod
    def of(cls, instance: BenchmarkInstance) -> InstanceSummary:
        """What is kept of an instance."""
        bqm = instance.bqm
        sizes = (bqm.num_variables, bqm.num_interactions)
        return cls(instance.name, instance.family, *sizes, instance.sense, instance.best)


@dataclass
class SolverResults:
    """Everything a comparison found.

    Attributes:
        seconds: the budget of every run.
        solvers: name -> its settings, of those that ran.
        missing: name -> why it did not.
        setting: machine and versions.
        instances: by their names.
        runs: in their order.
    """

    seconds: float
    solvers: dict[str, str]
    missing: dict[str, str]
    setting: dict[str, str] = field(default_factory=dict)
    instances: dict[str, InstanceSummary] = field(default_factory=dict)
    runs: list[SolverRun] = field(default_factory=list)


def setting(peers: Iterable[Peer]) -> dict[str, str]:
    """What figures depend on besides the instances: processor, Python, and versions of the packages."""
    packages = sorted({"dimod", "numba", "numpy"} | {peer.package for peer in peers if peer.package})
    return {
        "processor": _processor(),
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def compare(
    peers: Sequence[Peer],
    instances: Iterable[BenchmarkInstance],
    results: SolverResults,
    seeds: Sequence[int],
    done: Callable[[InstanceSummary], None],
    *,
    whole: bool = False,
) -> None:
    """Run everything; within an instance all solvers take turns, seed by seed.

    Args:
        peers: that can run.
        instances: made one after the other.
        results: to be added to.
        seeds: of the runs.
        done: told when all runs of an instance are in `results`.
        whole: a run goes on where it has reached the best known value.

    Raises:
        BackendFailedError: a solver claims an energy that its sample does not have.
    """
    for instance in instances:
        about = InstanceSummary.of(instance)
        results.instances[instance.name] = about
        prepared = {peer.name: peer.prepare(instance.bqm) for peer in peers}
        for turn, seed in enumerate(seeds):
            first = turn % len(peers)
            for peer in (*peers[first:], *peers[:first]):
                target = None if whole else instance.target
                results.runs.append(run_once(peer.name, prepared[peer.name], instance, results.seconds, target, seed))
        done(about)


def run_once(
    solver: str, run: Run, instance: BenchmarkInstance, seconds: float, target: float | None, seed: int
) -> SolverRun:
    """One run of what a solver prepared.

    Args:
        solver: its name.
        run: see `bench.solvers.peers.peer.Peer.prepare`.
        instance: for which it was prepared.
        seconds: the budget.
        target: energy that ends the run; None for none.
        seed: of the run.

    Raises:
        BackendFailedError: the solver claims an energy that its sample does not have, or has no answer to a problem
            without constraints.
    """
    gc.collect()
    clock = CpuClock(instance.bqm, seconds, target)
    run(clock, seed)
    spent = clock.seconds
    # Of a problem with constraints, a feasible state may not have been found.
    if clock.trace or instance.problem is None:
        clock.check(solver)
    # Microseconds are enough for a file.
    trace = [(round(when, 6), instance.value(energy)) for when, energy in clock.trace]
    return SolverRun(instance.name, solver, seed, spent, trace, clock.flips_per_second)
