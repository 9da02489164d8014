"""Solvers of problems with constraints: `solve` with `pt`, and with the backends that one could take in its place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from bench.solvers.clock import CpuClock
from bench.solvers.peers.peer import Peer, Run, calls
from bench.solvers.peers.pt import NAME, PATIENCE
from qubo_backends.parallel_tempering import ParallelTemperingBackend
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solution import BackendCall, Solution
from qubo_dnn.solving.solve import solve
from qubo_dnn.support.jit import compiling_here

# Milliseconds of the first call, and of one that loads and compiles.
_FIRST, _WARM_UP = 250, 50


def _prepare(problem: Problem[Any], backend: str) -> Run:
    with compiling_here():
        solve(problem, get_backend(backend), {"time_limit": _WARM_UP / 1000, "seed": 1})
    whole = backend == NAME and problem.constraints and ParallelTemperingBackend().capabilities.supports(problem)
    return partial(_at_once if whole else _in_calls, problem, backend)


def _at_once(problem: Problem[Any], _: str, clock: CpuClock, seed: int) -> None:
    """`pt` keeps all constraints, and reports as it goes."""
    relaxed = False

    def called(_: BackendCall) -> None:
        nonlocal relaxed
        # Further calls are of other models, whose energies are no objectives.
        relaxed = True

    def progress(state: Any) -> None:
        if not relaxed and math.isfinite(state.best_energy):
            clock.report(state.best_energy)
        if clock.over:
            raise StopIteration

    options: dict[str, Any] = {"time_limit": PATIENCE * clock.budget, "target_energy": clock.target, "seed": seed}
    _note(clock, problem, solve(problem, ParallelTemperingBackend(progress), options, called))


def _in_calls(problem: Problem[Any], backend: str, clock: CpuClock, seed: int) -> None:
    """Calls with more and more time; each knows the best answer so far, which some backends begin at."""

    def called(call: BackendCall) -> None:
        if call.objective is not None:
            clock.report(problem.in_own_sense(call.objective))

    for milliseconds, each in calls(clock, seed, _FIRST):
        begun: Mapping[Any, int] | None = clock.sample or problem.start
        options = {"time_limit": milliseconds / 1000, "seed": each}
        _note(clock, problem, solve(replace(problem, start=begun), get_backend(backend), options, called))


def _note(clock: CpuClock, problem: Problem[Any], solution: Solution[Any]) -> None:
    if solution.best.feasible:
        clock.complete(problem.in_own_sense(solution.best.objective), solution.sample)


def _peer(backend: str, settings: str, package: str = "qubo-dnn", needs: str = "qubo_backends:__name__") -> Peer:
    return Peer(backend, settings, package, needs, partial(_prepare, backend=backend))


_RELAXED = "multipliers, penalties and repair by `solve`, time doubled, from the best answer so far"

CONSTRAINED: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        _peer(NAME, "defaults of `solve`; where not all constraints are native, as the others"),
        _peer("neal", _RELAXED, "dwave-neal", "neal:SimulatedAnnealingSampler"),
        _peer("tabu", _RELAXED, "dwave-samplers", "dwave.samplers:TabuSampler"),
        _peer("steepest-descent", _RELAXED, "dwave-samplers", "dwave.samplers:SteepestDescentSampler"),
        _peer(
            "genetic",
            "keeps one-hot groups and inequalities; otherwise as the others",
            "pymoo",
            "pymoo.core.population:Population",
        ),
    )
}
"""Solvers of problems with constraints, `pt` first."""
