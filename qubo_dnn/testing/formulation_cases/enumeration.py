"""Small instances of formulations with all of their states, for the checks of the conformance kit."""

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
    """A compiled example with all of its states.

    Attributes:
        formulation: the example.
        problem: the compiled problem with n variables.
        states: [2^n, n] all states, columns in the order of `problem.variables`.
        feasible: [2^n] True for feasible states.
        scale: sum of the absolute biases and the absolute offset of the objective. No energy is larger, and rounding
            errors are relative to it.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> example = next(instances(get_formulation("number-partitioning")))
        >>> example.states.shape, bool(example.feasible.all())
        ((256, 8), True)
    """

    formulation: Formulation[Any]
    problem: Problem[Any]
    states: NDArray[np.int8]
    feasible: NDArray[np.bool_]
    scale: float

    def energies(self, bqm: dimod.BinaryQuadraticModel) -> NDArray[np.float64]:
        """Return [2^n] energies of all states in `bqm`."""
        return np.asarray(bqm.energies((self.states, list(self.problem.variables))), dtype=np.float64)

    def samples(self, chosen: NDArray[np.bool_], most: int = STATES_DECODED) -> Iterator[Sample]:
        """Yield at most `most` of the chosen states, evenly spaced."""
        rows = np.flatnonzero(chosen)
        picked = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int))
        for state in self.states[rows[picked]].tolist():
            yield dict(zip(self.problem.variables, state, strict=True))


def instances(cls: type[Formulation[Any]]) -> Iterator[EnumeratedExample]:
    """Yield the examples of all `SEEDS` with all of their states.

    Raises:
        AssertionError: an example does not compile to a problem of 2 to 16 variables.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> len(list(instances(get_formulation("number-partitioning"))))
        4
    """
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
    """Return [states] True for the states that satisfy all groups and constraints.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3], weights=[3, 2], capacity=4).compile()
        >>> feasible_states(knapsack, np.array([[0, 1], [1, 1]], np.int8)).tolist()
        [True, False]
    """
    feasible = np.ones(len(states), dtype=np.bool_)
    for group in problem.one_hot.values():
        feasible &= states[:, [problem.index[variable] for variable in group]].sum(axis=1) == 1
    for constraint in problem.constraints.values():
        activities = constraint.lhs.energies((states, list(problem.variables)))
        feasible &= constraint.excess(np.asarray(activities, float)) == 0.0
    return feasible
