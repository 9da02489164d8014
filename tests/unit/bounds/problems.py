"""Random small problems with groups, linear constraints of all kinds and low-rank forms; optima by brute force."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import dimod
import numpy as np

from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import LowRank, Problem
from qubo_dnn.testing.backend_cases.models import all_states


def random_problem(seed: int) -> Problem[dict[Any, int]]:
    """1 to 8 variables; dense or sparse, of one size or of sizes from 1e-3 to 1e3, real or whole numbers."""
    rng = np.random.default_rng(seed)
    n = _size(rng)
    sizes = 10.0 ** rng.integers(-3, 4, size=n) if rng.random() < 0.3 else np.ones(n)
    pairs = np.triu(rng.normal(size=(n, n)), 1) * (rng.random((n, n)) < rng.choice([0.2, 1.0])) * np.outer(sizes, sizes)
    linear = rng.normal(size=n) * sizes
    if rng.random() < 0.3:
        pairs, linear = np.round(3.0 * pairs), np.round(3.0 * linear)
    left = [int(v) for v in rng.permutation(n)]
    groups: dict[str, tuple[int, ...]] = {}
    while left and rng.random() < 0.7:
        size = int(rng.integers(1, 4))
        groups[f"group {len(groups)}"], left = tuple(left[:size]), left[size:]
    form = None
    if rng.random() < 0.3:
        rows = rng.permutation(n)[: int(rng.integers(1, n + 1))]
        form = LowRank(tuple(int(v) for v in rows), rng.normal(size=(len(rows), 2)).astype(np.float32))
    return Problem(
        objective=dimod.BinaryQuadraticModel(linear, pairs, float(rng.normal()), dimod.BINARY),
        decoder=dict,
        one_hot=groups,
        constraints={f"constraint {k}": _constraint(n, rng) for k in range(int(rng.integers(0, 3)))},
        low_rank=form,
    )


STEPS = {
    "whole": (1.0, 0.0),
    "halves": (0.5, 0.25),
    "hundredths": (0.01, 0.0),
    "whole beside an offset of 0.1": (1.0, 0.1),
    "thirds": (1.0 / 3.0, 7.0),
    "spins of a large model": (2.0 / 1000.0**0.5, -3.0),
    "tiny": (1e-6, 0.0),
    "huge": (1e13, 1e15),
    "whole beside a large offset": (1.0, 1e12),
}
"""Of problems whose energies have a step: the step, and the offset."""


def stepped_problem(seed: int, kind: str, n: int = 7) -> Problem[dict[int, int]]:
    """A random problem whose biases are whole multiples of a step, and its constraints of another; see `STEPS`."""
    step, offset = STEPS[kind]
    while _size(np.random.default_rng(seed)) != n:
        seed += 10_000
    plain = random_problem(seed)
    rng = np.random.default_rng(seed)
    linear, pairs = rng.integers(-40, 41, n) * step, np.triu(rng.integers(-40, 41, (n, n)), 1) * step
    objective = dimod.BinaryQuadraticModel(linear, pairs, offset, dimod.BINARY)
    return replace(plain, objective=objective, low_rank=None)


@cache
def stepped(seed: int, kind: str) -> tuple[Problem[dict[int, int]], Fraction | None]:
    """`stepped_problem`, not to be changed, and its `exact_optimum`."""
    problem = stepped_problem(seed, kind)
    return problem, exact_optimum(problem)


def exact_optimum(problem: Problem[Any]) -> Fraction | None:
    """The least energy of all feasible states in exact arithmetic; None where there is none, or a low-rank form."""
    linear = {v: Fraction(float(bias)) for v, bias in problem.objective.linear.items()}
    pairs = {ends: Fraction(float(bias)) for ends, bias in problem.objective.quadratic.items()}
    found = []
    for row in all_states(problem.objective):
        x = dict(zip(problem.variables, row.tolist(), strict=True))
        if not problem.violations(x):
            energy = Fraction(float(problem.objective.offset)) + sum(bias for v, bias in linear.items() if x[v])
            found.append(energy + sum(bias for (u, v), bias in pairs.items() if x[u] and x[v]))
    return min(found, default=None)


def with_quadratic(problem: Problem[dict[int, int]]) -> Problem[dict[int, int]]:
    """The problem with a quadratic constraint more, and without its low-rank form."""
    rng = np.random.default_rng(len(problem.variables))
    n = len(problem.variables)
    left = dimod.BinaryQuadraticModel(np.round(rng.normal(size=(n, n)) * 3.0), dimod.BINARY)
    constraint = Constraint(left, rng.choice(["<=", ">=", "=="], p=[0.5, 0.4, 0.1]), float(rng.integers(-3, 4)))
    return replace(problem, constraints={**problem.constraints, "pairs": constraint}, low_rank=None)


def _size(rng: np.random.Generator) -> int:
    """How many variables a random problem has: what is drawn of it first."""
    return int(rng.integers(1, 9))


def _constraint(n: int, rng: np.random.Generator) -> Constraint:
    weights = {
        v: float(rng.integers(-1, 5)) if rng.random() < 0.8 else float(rng.normal())
        for v in range(n)
        if rng.random() < 0.8
    }
    left = dimod.BinaryQuadraticModel(weights, {}, float(rng.integers(-1, 2)), dimod.BINARY)
    return Constraint(left, rng.choice(["<=", ">=", "=="], p=[0.5, 0.3, 0.2]), float(rng.integers(-1, 6)))


def optimum(problem: Problem[dict[int, int]]) -> float:
    """The least energy of all states that keep groups and constraints, by brute force; infinity where there is none."""
    states = all_states(problem.objective)
    order = list(problem.variables)
    place = {variable: index for index, variable in enumerate(order)}
    energies = problem.objective.energies((states, order))
    if problem.low_rank is not None:
        chosen = states[:, [place[variable] for variable in problem.low_rank.variables]].astype(float)
        energies = energies + np.square(chosen @ problem.low_rank.factor.astype(float)).sum(axis=1) / 2.0
    kept = np.ones(len(states), bool)
    for group in problem.one_hot.values():
        kept &= states[:, [place[variable] for variable in group]].sum(axis=1) == 1
    for constraint in problem.constraints.values():
        columns = list(constraint.lhs.variables)
        activities = constraint.lhs.energies((states[:, [place[variable] for variable in columns]], columns))
        kept &= constraint.excess(np.asarray(activities)) == 0.0
    return float(energies[kept].min(initial=np.inf))
