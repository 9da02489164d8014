"""A small problem with one-hot groups and a budget, and backends that answer as told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any, ClassVar

import dimod
import numpy as np
import pytest

from qubo_dnn.backend import Backend, Capabilities, SolveOptions
from qubo_dnn.constraint import Constraint, ConstraintKind
from qubo_dnn.errors import BackendUnavailableError
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve

Rows = Sequence[Sequence[int]]
UNITS, OPTIONS = 4, 3


# Scripted answers are for the whole problem, so presolve must leave it whole.
as_it_is = partial(solve, presolve=False)


def example(budget: float = 13.0, sense: str = "<=") -> Problem[Any]:
    """4 coupled units of 3 options, 12 variables; options cost 0, 2 or 5, more is better."""
    rng = np.random.default_rng(3)
    labels = [[f"x[{u}][{k}]" for k in range(OPTIONS)] for u in range(UNITS)]
    names = [v for row in labels for v in row]
    factor = rng.normal(size=(len(names), 6)) * np.tile([1.0, 0.5, 0.1], UNITS)[:, None]
    matrix = factor @ factor.T
    apart = np.kron(1 - np.eye(UNITS), np.ones((OPTIONS, OPTIONS)))
    objective = dimod.BinaryQuadraticModel(matrix.diagonal() / 2, np.triu(matrix * apart, 1), dimod.BINARY)
    objective.relabel_variables(dict(enumerate(names)))
    costs = dimod.BinaryQuadraticModel(dict(zip(names, [0.0, 2.0, 5.0] * UNITS, strict=True)), {}, 0.0, dimod.BINARY)
    return Problem(
        objective=objective,
        decoder=lambda sample: [int(np.argmax([sample[v] for v in row])) for row in labels],
        one_hot={f"unit {u}": tuple(row) for u, row in enumerate(labels)},
        constraints={"budget": Constraint(costs, sense, budget)},  # type: ignore[arg-type]  # a str for brevity
    )


def one_hot_samples(problem: Problem[Any]) -> list[dict[Any, int]]:
    groups = list(problem.one_hot.values())
    zeros = dict.fromkeys(problem.variables, 0)
    return [zeros | dict.fromkeys(chosen, 1) for chosen in product(*groups)]


def optimum(problem: Problem[Any]) -> float:
    """The least objective of a feasible state, by enumeration."""
    samples = one_hot_samples(problem)
    return min(float(problem.objective.energy(sample)) for sample in samples if not problem.violations(sample))


def duality_gap(problem: Problem[Any], multiplier: float) -> float:
    """How far the minimiser at a multiplier may be from the optimum: multiplier times the budget it leaves unused.

    Infinite where the minimiser breaks the budget. By weak duality (Everett 1963).
    """
    budget = problem.constraints["budget"]

    def relaxed(sample: Sample) -> float:
        return float(problem.objective.energy(sample) + multiplier * budget.lhs.energy(sample))

    best = min(one_hot_samples(problem), key=relaxed)
    return float("inf") if problem.violations(best) else multiplier * (budget.rhs - budget.lhs.energy(best))


def local_backend(name: str) -> Backend:
    try:
        backend = get_backend(name)
    except BackendUnavailableError as cause:
        pytest.skip(str(cause))
    if backend.capabilities.remote:
        pytest.skip("its service is not at hand")
    return backend


class Scripted:
    """A backend that answers its n-th call by `script(n, model)`: rows, or whatever that raises."""

    name: ClassVar[str] = "scripted"
    summary: ClassVar[str] = "answers as told"
    options_type: ClassVar[type[SolveOptions]] = SolveOptions

    def __init__(
        self,
        script: Callable[[int, Any], Rows],
        native: frozenset[ConstraintKind] = frozenset(),
        info: dict[str, Any] | None = None,
        **capabilities: bool,
    ) -> None:
        self.capabilities = Capabilities(native_constraints=native, **capabilities)
        self.script, self.info = script, info or {}
        self.options: list[SolveOptions] = []
        self.problems: list[Problem[Any]] = []

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        self.options.append(options)
        rows = np.array(self.script(len(self.options), bqm), np.int8)
        return dimod.SampleSet.from_samples_bqm((rows, list(bqm.variables)), bqm, info=self.info)

    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        self.problems.append(problem)
        return self.sample(problem.objective, options)


def zeros(_call: int, bqm: dimod.BinaryQuadraticModel) -> Rows:
    """The row that breaks every group."""
    return [[0] * bqm.num_variables]


def ground_state(_call: int, bqm: dimod.BinaryQuadraticModel) -> Rows:
    """By enumeration of all states, groups or not."""
    states = np.array(list(product((0, 1), repeat=bqm.num_variables)), np.int8)
    return [states[np.argmin(bqm.energies((states, list(bqm.variables))))].tolist()]


def row(*choices: int) -> list[int]:
    return [int(k == choice) for choice in choices for k in range(OPTIONS)]
