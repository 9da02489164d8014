"""Small instances of formulations with all their states, against which the conformance kit checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.formulation import Formulation
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.testing.common import expect

MAX_VARIABLES = 16
SEEDS = range(4)
STATES_DECODED = 128
RELATIVE_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class EnumeratedExample:
    """One example, compiled, with all its states.

    Attributes:
        formulation: the example.
        problem: what it compiles to, n variables.
        states: all states, shape (2^n, n), columns in the order of `problem.variables`.
        feasible: which states break nothing, shape (2^n,).
        scale: sum of the absolute biases and offset of the objective: no energy is larger, and rounding
            errors are relative to it.
    """

    formulation: Formulation[Any]
    problem: Problem[Any]
    states: NDArray[np.int8]
    feasible: NDArray[np.bool_]
    scale: float

    def energies(self, bqm: dimod.BinaryQuadraticModel) -> NDArray[np.float64]:
        """Energy of every state in `bqm`."""
        return np.asarray(bqm.energies((self.states, list(self.problem.variables))), dtype=np.float64)

    def samples(self, chosen: NDArray[np.bool_], most: int = STATES_DECODED) -> Iterator[Sample]:
        """Up to `most` of the chosen states, spread evenly."""
        rows = np.flatnonzero(chosen)
        picked = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int))
        for state in self.states[rows[picked]].tolist():
            yield dict(zip(self.problem.variables, state, strict=True))


def instances(cls: type[Formulation[Any]]) -> Iterator[EnumeratedExample]:
    """The examples of all seeds, enumerated."""
    for seed in SEEDS:
        formulation = cls.example(seed)
        problem = formulation.compile()
        expect(isinstance(problem, Problem), f"compile() returned a {type(problem).__name__}, not a Problem")
        size = len(problem.variables)
        expect(2 <= size <= MAX_VARIABLES, f"example({seed}) has {size} variables, not 2 to {MAX_VARIABLES}")
        states = (np.arange(2**size)[:, None] >> np.arange(size) & 1).astype(np.int8)
        objective = problem.objective
        biases = objective.to_numpy_vectors()
        scale = np.abs(biases.linear_biases).sum() + np.abs(biases.quadratic.biases).sum() + abs(objective.offset)
        yield EnumeratedExample(formulation, problem, states, feasible_states(problem, states), float(scale))


def feasible_states(problem: Problem[Any], states: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Which states satisfy all groups and constraints, shape (states,)."""
    column = {variable: index for index, variable in enumerate(problem.variables)}
    feasible = np.ones(len(states), dtype=np.bool_)
    for group in problem.one_hot.values():
        feasible &= states[:, [column[variable] for variable in group]].sum(axis=1) == 1
    for constraint in problem.constraints.values():
        activities = constraint.lhs.energies((states, list(problem.variables)))
        feasible &= constraint.excess(np.asarray(activities, float)) == 0.0
    return feasible
