from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from qubo_dnn.errors import OptionError

optimization = pytest.importorskip("qiskit_optimization")
algorithms = pytest.importorskip("qiskit_optimization.algorithms")


def optimizer(*arguments: Any, **options: Any) -> Any:
    from qubo_dnn.adapters.qiskit_optimizer import QuboDnnOptimizer

    return QuboDnnOptimizer(*arguments, **options)


def knapsack() -> Any:
    made = optimization.QuadraticProgram("knapsack")
    for index in range(4):
        made.integer_var(0, 2, f"n{index}")
    made.maximize(linear=[3, 4, 5, 7], quadratic={("n0", "n3"): 1})
    made.linear_constraint([2, 3, 4, 5], "<=", 11, "weight")
    return made


def cut() -> Any:
    """Max-cut of a weighted graph of six nodes as a program without constraints."""
    rng = np.random.default_rng(3)
    weights = np.triu(rng.integers(-3, 6, (6, 6)), 1).astype(float)
    made = optimization.QuadraticProgram("cut")
    for index in range(6):
        made.binary_var(f"x{index}")
    made.maximize(linear=(weights + weights.T).sum(axis=1), quadratic=-2.0 * weights)
    return made


def optimum(program: Any) -> float:
    """By brute force."""
    ranges = [range(int(v.lowerbound), int(v.upperbound) + 1) for v in program.variables]
    states = np.array(np.meshgrid(*ranges)).reshape(len(ranges), -1).T
    values = [program.objective.evaluate(state) for state in states if program.is_feasible(state)]
    return float(max(values) if program.objective.sense.value < 0 else min(values))


@pytest.mark.parametrize("backend", ["pt", "exact", "steepest-descent"])
@pytest.mark.parametrize("make", [knapsack, cut])
def test_solves_programs(make: Any, backend: str) -> None:
    program = make()
    options = {"num_reads": 50} if backend == "steepest-descent" else {}
    solver = pickle.loads(pickle.dumps(optimizer(backend, seed=1, num_solutions=3, presolve=False, **options)))
    assert isinstance(solver, algorithms.OptimizationAlgorithm)
    assert solver.is_compatible(program)
    result = solver.solve(program)
    assert result.fval == optimum(program) == program.objective.evaluate(result.x)
    assert result.status is algorithms.OptimizationResultStatus.SUCCESS
    assert result.variable_names == [variable.name for variable in program.variables]
    assert result.raw_results.backend == backend
    assert sum(sample.probability for sample in result.samples) == pytest.approx(1.0)
    for sample in result.samples:
        assert sample.fval == pytest.approx(program.objective.evaluate(sample.x))


def test_inside_a_recursive_optimizer() -> None:
    program = cut()
    recursive = algorithms.RecursiveMinimumEigenOptimizer(
        optimizer("exact", num_solutions=8, num_reads=8, presolve=False),
        min_num_vars=2,
        min_num_vars_optimizer=optimizer("exact"),
    )
    result = recursive.solve(program)
    assert result.fval == optimum(program)
    # A program with constraints is converted by the recursive optimizer itself.
    assert algorithms.RecursiveMinimumEigenOptimizer(
        optimizer("pt", seed=1), min_num_vars=1, min_num_vars_optimizer=optimizer("pt", seed=1)
    ).solve(small()).fval == optimum(small())


def small() -> Any:
    made = optimization.QuadraticProgram()
    made.binary_var("x")
    made.binary_var("y")
    made.maximize(linear=[2, 3])
    made.linear_constraint([1, 1], "==", 1)
    return made


def test_infeasible_programs_end_with_their_status() -> None:
    program = small()
    program.linear_constraint([1, 1], ">=", 2)
    result = optimizer("exact").solve(program)
    assert result.status is algorithms.OptimizationResultStatus.INFEASIBLE
    assert result.fval == program.objective.evaluate(result.x)


def test_incompatible_programs() -> None:
    program = small()
    program.continuous_var(0, 1, "z")
    solver = optimizer("exact")
    assert not solver.is_compatible(program)
    text = "the variable 'z' of the quadratic program is continuous"
    assert text in solver.get_compatibility_msg(program)
    with pytest.raises(optimization.QiskitOptimizationError, match=f"Incompatible problem: {text}"):
        solver.solve(program)


def test_unknown_options() -> None:
    with pytest.raises(OptionError, match="num_raeds"):
        optimizer("pt", num_raeds=3).solve(small())


def test_an_empty_program() -> None:
    result = optimizer("exact").solve(optimization.QuadraticProgram())
    assert (result.fval, len(result.x)) == (0.0, 0)
