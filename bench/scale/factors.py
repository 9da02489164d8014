"""Low-rank objectives over one-hot groups within a budget, as compression makes them: seconds and memory by size."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.processes import measured, one_thread
from bench.tables import Table

if TYPE_CHECKING:
    from qubo_dnn.problem import Problem

OPTIONS = (0.0, 2.0, 4.0, 8.0)
"""Bits of the options of a group."""

# Squared error of the options, of a weight without them 1.
_ERRORS = (1.0, 0.25, 0.06, 0.004)
_BUDGET = 3.0
# Preparing larger problems takes longer than the sweeps whose time is the difference of two runs.
_MOST_TIMED = 50_000
_LEAST_LIMIT = 10.0

FACTORS = Table(
    "one-hot variables | groups | R | factor, MiB | problem, s | solve, s | limit, s | sweeps | s a sweep of a replica "
    "| below separable | peak, GiB | bytes a variable beside the factor",
    "{variables:,} | {groups:,} | {rank} | {factor_mib:.0f} | {problem_seconds:.1f} | {solve_seconds:.0f} "
    "| {time_limit:.0f} | {sweeps} | {sweep_text} | {gain:.2%} | {peak_gib:.2f} | {beside:.0f}",
    "Factors",
    "Random rows of a factor of rank R for groups of four options (0, 2, 4 and 8 bits) whose sensitivities are "
    "log-normal, within a budget of 3 bits per group, solved by `pt`. How far the best answer is below that of the "
    "same problem without couplings, evaluated with them, is a share of the latter.",
)


@dataclass(frozen=True)
class FactorRow:
    """One size.

    Attributes:
        variables, groups, rank: of the problem.
        factor_mib: size of the factor.
        problem_seconds: CPU seconds of making the `Problem` of arrays.
        solve_seconds: CPU seconds of solving.
        time_limit: wall-clock seconds that solving had.
        sweeps: of every replica; 0 where the time ended while starts were annealed.
        sweep_seconds: CPU seconds of a sweep of one replica; None where it was not measured.
        gain: share of the objective by which the answer is below that without couplings.
        feasible: whether the answer keeps the budget.
        peak_gib: peak memory of the process.
        beside: peak memory beyond that of ten groups and the factor, in bytes per variable.
        sweep_text: of `sweep_seconds`, for the table.
    """

    variables: int
    groups: int
    rank: int
    factor_mib: float
    problem_seconds: float
    solve_seconds: float
    time_limit: float
    sweeps: int
    sweep_seconds: float | None
    gain: float
    feasible: bool
    peak_gib: float
    beside: float
    sweep_text: str


def random_factor(groups: int, rank: int, seed: int) -> NDArray[np.float32]:
    """[groups * options, rank]: rows whose squared lengths are those of the options' errors, by group."""
    rng = np.random.default_rng(seed)
    length = np.sqrt(rng.lognormal(0.0, 1.0, (groups, 1)) * np.array(_ERRORS) / rank).astype(np.float32)
    # Rounding a weight errs in a direction of its own at every number of bits.
    factor = rng.standard_normal((groups * len(OPTIONS), rank), np.float32)
    factor *= length.reshape(-1, 1)
    return factor


def budgeted(factor: NDArray[np.float32]) -> Problem[Any]:
    """Make the problem of choosing one option for every group, within the budget.

    Half of the couplings is left out, as `compress` shrinks them: `1/4 |factor'x|^2` and half of its diagonal.

    Args:
        factor: [groups * options, rank]; changed in place, so that it is not in memory twice.
    """
    import dimod

    from qubo_dnn.constraint import Constraint
    from qubo_dnn.problem import LowRank, Problem

    factor *= np.float32(math.sqrt(0.5))
    alone = np.square(factor).sum(1, dtype=float)
    n, options = len(factor), len(OPTIONS)
    groups = n // options
    none = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    bits = dimod.BinaryQuadraticModel.from_numpy_vectors(np.tile(OPTIONS, groups), none, 0.0, "BINARY")
    return Problem(
        objective=dimod.BinaryQuadraticModel.from_numpy_vectors(alone / 2.0, none, 0.0, "BINARY"),
        decoder=dict,
        one_hot={f"g{k}": tuple(range(options * k, options * (k + 1))) for k in range(groups)},
        constraints={"budget": Constraint(lhs=bits, sense="<=", rhs=_BUDGET * groups)},
        low_rank=LowRank(tuple(range(n)), factor),
    )


@dataclass(frozen=True)
class _Solved:
    """See `FactorRow`."""

    problem_seconds: float
    solve_seconds: float
    sweeps: int
    sweep_seconds: float | None
    gain: float
    feasible: bool


def solved(groups: int, rank: int, time_limit: float, seed: int) -> _Solved:
    """Make and solve one problem."""
    one_thread()
    from qubo_dnn.registry import get_backend
    from qubo_dnn.solving.solve import solve

    factor, started = random_factor(groups, rank, seed), time.process_time()
    problem = budgeted(factor)
    made = time.process_time()
    found = solve(problem, get_backend("pt"), {"time_limit": time_limit, "seed": seed})
    ended = time.process_time()
    errors = np.square(factor).sum(1, dtype=float).reshape(groups, len(OPTIONS))
    state = np.arange(groups) * len(OPTIONS) + _separable(errors)
    together = factor[state].sum(0, dtype=float)
    reference = (float(together @ together) + errors.ravel()[state].sum()) / 2.0
    return _Solved(
        problem_seconds=made - started,
        solve_seconds=ended - made,
        sweeps=(found.sampleset.info["sweeps"] or [0])[0],
        sweep_seconds=_sweep_seconds(problem, seed) if groups <= _MOST_TIMED else None,
        gain=1.0 - found.best.objective / reference,
        feasible=found.best.feasible,
    )


def compiled(rank: int) -> None:
    """Compile whatever solving uses, so that no process that is measured does."""
    from qubo_dnn.support.jit import compiling_here

    with compiling_here():
        solved(10, rank, 0.1, 0)


def _sweep_seconds(problem: Problem[Any], seed: int) -> float:
    """CPU seconds of a sweep of one replica: of runs from a given state, the longer one less the shorter one."""
    from qubo_backends.parallel_tempering import ParallelTemperingBackend, ParallelTemperingOptions

    state = np.tile([1, *[0] * (len(OPTIONS) - 1)], len(problem.one_hot))
    seconds = []
    for sweeps in (1, 1, 129):  # the first one compiles
        options = ParallelTemperingOptions(
            seed=seed,
            num_replicas=1,
            num_sweeps=sweeps,
            temperature_range=(1e-3, 1.0),
            initial_states=(state, list(problem.variables)),
        )
        started = time.process_time()
        ParallelTemperingBackend().sample_constrained(problem, options)
        seconds.append(time.process_time() - started)
    return (seconds[2] - seconds[1]) / 128.0


def _separable(errors: NDArray[np.float64]) -> NDArray[np.int64]:
    """[groups] options of least error [groups, options] within the budget, by bisection on its price."""
    low, high = 0.0, float(errors.max())
    for _ in range(100):
        price = (low + high) / 2.0
        chosen = np.argmin(errors + price * np.array(OPTIONS), axis=1)
        spent = np.array(OPTIONS)[chosen].sum()
        low, high = (price, high) if spent > _BUDGET * len(errors) else (low, price)
    return np.asarray(np.argmin(errors + high * np.array(OPTIONS), axis=1))


def factor_rows(groups: list[int], rank: int, time_limit: float, seed: int) -> Iterator[FactorRow]:
    """Solve problems of so many groups one after the other, each in a process of its own.

    Args:
        groups: numbers of groups.
        rank: columns of the factors.
        time_limit: wall-clock seconds of solving the largest; others have less in proportion, but ten at least.
        seed: of the factors and of `pt`.
    """
    measured(compiled, rank)
    base = measured(solved, 10, rank, 2.0, seed).peak_bytes
    for count in groups:
        limit = max(time_limit * count / max(groups), _LEAST_LIMIT)
        run = measured(solved, count, rank, limit, seed)
        n = count * len(OPTIONS)
        size = 4 * n * rank
        yield FactorRow(
            variables=n,
            groups=count,
            rank=rank,
            factor_mib=size / 2**20,
            time_limit=limit,
            **vars(run.value),
            sweep_text="" if run.value.sweep_seconds is None else f"{run.value.sweep_seconds:.4f}",
            peak_gib=run.peak_gib,
            beside=(run.peak_bytes - base - size) / n,
        )
