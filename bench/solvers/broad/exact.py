"""Optima that are proven by CP-SAT; those of the roster's instances are kept there. Needs OR-Tools (extra `bench`).

python -m bench.solvers.broad.exact
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.command import finish
from bench.solvers.broad.planted_problems import Matrix, random_shop, random_tour
from qubo_dnn.errors import BackendFailedError
from qubo_dnn.support.extras import require


def shortest_schedule(jobs: Sequence[Sequence[tuple[int, int]]]) -> float:
    """The least makespan of jobs whose operations are (machine, duration).

    Raises:
        MissingExtraError: OR-Tools is not installed.
        BackendFailedError: nothing is proven.
    """
    cp: Any = require("ortools.sat.python.cp_model", "bench")
    model, horizon = cp.CpModel(), sum(duration for job in jobs for _, duration in job)
    end = model.new_int_var(0, horizon, "end")
    busy: dict[int, list[Any]] = {}
    for job in jobs:
        before: Any = 0
        for machine, duration in job:
            start = model.new_int_var(0, horizon, "")
            model.add(start >= before)
            busy.setdefault(machine, []).append(model.new_fixed_size_interval_var(start, duration, ""))
            before = start + duration
        model.add(end >= before)
    for intervals in busy.values():
        model.add_no_overlap(intervals)
    model.minimize(end)
    return _proven(cp, model)


def shortest_tour(distances: Matrix) -> float:
    """The length of the shortest round trip.

    Args:
        distances: [n, n], whole numbers.

    Raises:
        MissingExtraError, BackendFailedError: see `shortest_schedule`.
    """
    cp: Any = require("ortools.sat.python.cp_model", "bench")
    model = cp.CpModel()
    pairs = [(i, j) for i, j in np.ndindex(distances.shape) if i != j]
    taken = [model.new_bool_var("") for _ in pairs]
    model.add_circuit([(i, j, each) for (i, j), each in zip(pairs, taken, strict=True)])
    model.minimize(sum(int(distances[pair]) * each for pair, each in zip(pairs, taken, strict=True)))
    return _proven(cp, model)


def _proven(cp: Any, model: Any) -> float:
    solver = cp.CpSolver()
    solver.parameters.num_workers = 1
    if solver.solve(model) != cp.OPTIMAL:
        raise BackendFailedError("OR-Tools has proven no optimum")
    return float(solver.objective_value)


def main() -> None:
    """Print the optima that the roster keeps."""
    print("tour-random-40", shortest_tour(random_tour(40, 103).distances))
    print("shop-6x6", shortest_schedule(random_shop(6, 6, 9, 102).jobs))
    print("shop-8x5", shortest_schedule(random_shop(8, 5, 7, 102).jobs))


if __name__ == "__main__":
    finish(main)
