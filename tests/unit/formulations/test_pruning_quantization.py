from __future__ import annotations

from dataclasses import replace
from itertools import product

import dimod
import numpy as np
import pytest
from numpy.typing import NDArray

from qubo_dnn.compression.options import bit_widths
from qubo_dnn.compression.plan import LayerPlan
from qubo_dnn.compression.task import CompressionTask, LayerShape
from qubo_dnn.errors import BudgetError, FormulationError, OptionError
from qubo_dnn.registry import get_backend
from qubo_dnn.solve import solve
from qubo_formulations import pruning_quantization
from qubo_formulations.example_task import example_task
from qubo_formulations.pruning_quantization import (
    PYQUBO_VARIABLES,
    PruningQuantization,
    array_objective,
    pyqubo_objective,
)

OBJECTIVES = ("gauss-newton", "separable", "trace")


@pytest.fixture
def task() -> CompressionTask:
    """5 units of 3 and 2 channels with 9 and 18 weights each."""
    return example_task(4)


def random_matrix(units: int, options: int, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(units * options, 5)).astype(np.float32)
    matrix = factor @ factor.T
    unchanged = np.repeat(rng.random(units) < 0.3, options) & (np.arange(units * options) % options == options - 1)
    matrix[unchanged] = matrix[:, unchanged] = 0.0
    return matrix


def groups_of(units: int, options: int) -> dict[str, tuple[str, ...]]:
    return {f"unit {u}": tuple(f"x[{u}][{k}]" for k in range(options)) for u in range(units)}


def assert_same(one: dimod.BinaryQuadraticModel, other: dimod.BinaryQuadraticModel) -> None:
    """Biases within 1e-12 of each other, and interactions at the same places."""
    order = list(other.variables)
    ours, theirs = one.to_numpy_vectors(order, sort_indices=True), other.to_numpy_vectors(order, sort_indices=True)
    assert np.allclose(ours.linear_biases, theirs.linear_biases, rtol=0, atol=1e-12)
    assert np.array_equal(ours.quadratic.row_indices, theirs.quadratic.row_indices)
    assert np.array_equal(ours.quadratic.col_indices, theirs.quadratic.col_indices)
    assert np.allclose(ours.quadratic.biases, theirs.quadratic.biases, rtol=0, atol=1e-12)
    assert one.offset == pytest.approx(other.offset, abs=1e-12)
    assert one.vartype is other.vartype is dimod.BINARY


@pytest.mark.parametrize(("units", "options"), [(1, 1), (1, 4), (3, 1), (12, 3), (42, 6), (43, 6)])
def test_the_symbolic_sum_and_the_arrays_give_the_same_model(units: int, options: int) -> None:
    matrix, groups = random_matrix(units, options), groups_of(units, options)
    assert_same(pyqubo_objective(matrix, groups), array_objective(matrix, groups))


def test_a_matrix_of_zeros_still_has_all_variables() -> None:
    groups = groups_of(3, 2)
    for build in (pyqubo_objective, array_objective):
        bqm = build(np.zeros((6, 6), np.float32), groups)
        assert set(bqm.variables) == {v for group in groups.values() for v in group}
        assert bqm.num_interactions == 0


@pytest.mark.parametrize("units", [PYQUBO_VARIABLES // 6, PYQUBO_VARIABLES // 6 + 1])
def test_both_sides_of_the_limit_compile_to_the_same_problem(units: int, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = (LayerShape("a", units, 9, 1),)
    cost = np.tile(9 * np.array([0, 2, 3, 4, 6, 8]), (units, 1))
    task = CompressionTask(
        layers=layers,
        options=bit_widths(0, 2, 3, 4, 6, 8),
        cost=cost,
        overhead=0,
        limit=27.0 * units,
        mean_magnitude=np.ones(units),
        squared_error=np.ones((units, 6)),
        sensitivity=random_matrix(units, 6),
    )
    usual = PruningQuantization(task).compile()
    monkeypatch.setattr(pruning_quantization, "PYQUBO_VARIABLES", 0 if units * 6 <= PYQUBO_VARIABLES else 10**6)
    other = PruningQuantization(task).compile()
    assert usual.variables == other.variables
    assert_same(usual.objective, other.objective)
    assert usual.one_hot == other.one_hot
    assert usual.constraints == other.constraints


def formula(task: CompressionTask, objective: str, shrinkage: float, choice: NDArray[np.intp]) -> float:
    """The docstring's objective, written out with loops."""
    options = len(task.options)
    assert task.sensitivity is not None
    isotropic = []
    for u in range(len(choice)):
        ratios = [
            float(task.sensitivity[v * options + k, v * options + k]) / task.squared_error[v, k]
            for v in range(len(choice))
            for k in range(options)
            if task.layer_of[v] == task.layer_of[u] and task.squared_error[v, k] > 0
        ]
        trace = sum(ratios) / len(ratios) if ratios else 0.0
        isotropic.append(trace * task.squared_error[u, choice[u]])
    rows = [u * options + k for u, k in enumerate(choice)]
    if objective == "trace":
        return 0.5 * sum(isotropic)
    diagonal = sum(float(task.sensitivity[row, row]) for row in rows)
    if objective == "separable":
        return 0.5 * diagonal
    pairs = sum(float(task.sensitivity[row, column]) for row in rows for column in rows)
    return 0.5 * ((1 - shrinkage) * pairs + shrinkage * (diagonal + sum(isotropic)) / 2)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("shrinkage", [0.0, 0.3, 1.0])
def test_the_objective_is_its_formula(task: CompressionTask, objective: str, shrinkage: float) -> None:
    squared_error = task.squared_error.copy()
    squared_error[:, -1] = 0.0
    task = replace(task, squared_error=squared_error)
    formulation = PruningQuantization(task, objective, shrinkage)
    problem = formulation.compile()
    rng = np.random.default_rng(0)
    for _ in range(20):
        choice = rng.integers(0, 3, 5)
        sample = {f"x[{u}][{k}]": int(choice[u] == k) for u in range(5) for k in range(3)}
        expected = formula(task, objective, shrinkage, choice)
        decoded = problem.decode(sample)
        assert decoded.objective == pytest.approx(expected, rel=1e-5)
        assert formulation.cost(decoded.value) == pytest.approx(expected, rel=1e-5)
        assert formulation.predicted_loss_increase(decoded.value) == formulation.cost(decoded.value)


def test_without_shrinkage_the_matrix_is_the_sensitivity(task: CompressionTask) -> None:
    assert np.array_equal(PruningQuantization(task, shrinkage=0.0).matrix, task.sensitivity)
    assert not np.array_equal(PruningQuantization(task).matrix, task.sensitivity)


def test_the_given_sensitivity_is_left_as_it_is(task: CompressionTask) -> None:
    assert task.sensitivity is not None
    before = task.sensitivity.copy()
    PruningQuantization(task, shrinkage=0.5)
    assert np.array_equal(task.sensitivity, before)


def test_the_budget_is_what_the_task_says_is_stored(task: CompressionTask) -> None:
    problem = PruningQuantization(task).compile()
    budget = problem.constraints["budget"]
    assert (budget.sense, budget.rhs) == ("<=", task.limit)
    for choice in product(range(3), repeat=5):
        sample = {f"x[{u}][{k}]": int(choice[u] == k) for u in range(5) for k in range(3)}
        plan = task.plan(np.array(choice))
        assert budget.lhs.energy(sample) == task.stored_bits(plan)
        assert problem.decode(sample).feasible == (task.stored_bits(plan) <= task.limit)


def test_decoding_is_the_inverse_of_encoding(task: CompressionTask) -> None:
    formulation = PruningQuantization(task)
    for choice in product(range(3), repeat=5):
        sample = {f"x[{u}][{k}]": int(choice[u] == k) for u in range(5) for k in range(3)}
        assert task.choice(formulation.decode(sample)).tolist() == list(choice)


def test_a_broken_unit_gets_the_most_bits_of_what_is_chosen(task: CompressionTask) -> None:
    rows = [(0, 0, 0), (1, 1, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1)]
    sample = {f"x[{u}][{k}]": bit for u, row in enumerate(rows) for k, bit in enumerate(row)}
    plan = PruningQuantization(task).decode(sample)
    assert plan.layers == {"first": LayerPlan(1, bit_widths(4, 2, 0)), "second": LayerPlan(1, bit_widths(4, 4))}


def test_a_budget_out_of_reach_names_the_range(task: CompressionTask) -> None:
    with pytest.raises(BudgetError, match=r"options 0, 2, 4: they reach 1\.016 to 5\.016 bits per weight"):
        PruningQuantization(replace(task, limit=10.0))


@pytest.mark.parametrize("shrinkage", [-0.1, 1.1, float("nan")])
def test_a_shrinkage_out_of_range_is_refused(task: CompressionTask, shrinkage: float) -> None:
    with pytest.raises(OptionError, match="shrinkage must be within 0 and 1"):
        PruningQuantization(task, shrinkage=shrinkage)


def test_wrong_parameters_are_refused(task: CompressionTask) -> None:
    with pytest.raises(OptionError, match="unknown objective 'seperable'; did you mean 'separable'"):
        PruningQuantization(task, objective="seperable")
    with pytest.raises(OptionError, match="no parameter 'shrinkege'; did you mean 'shrinkage'"):
        PruningQuantization.from_task(task, shrinkege=1.0)
    with pytest.raises(FormulationError, match="no sensitivity"):
        PruningQuantization(replace(task, sensitivity=None))


def test_parameters_may_come_as_text(task: CompressionTask) -> None:
    formulation = PruningQuantization.from_task(task, shrinkage="0")
    assert np.array_equal(formulation.matrix, task.sensitivity)


def test_a_sensitivity_that_is_not_finite_is_refused(task: CompressionTask) -> None:
    assert task.sensitivity is not None
    spoilt = task.sensitivity.copy()
    spoilt[0, 4] = spoilt[4, 0] = np.nan
    with pytest.raises(FormulationError, match="not a finite number"):
        PruningQuantization(replace(task, sensitivity=spoilt)).compile()


@pytest.mark.parametrize("seed", range(3))
def test_the_example_is_solved_close_to_its_optimum(seed: int) -> None:
    formulation = PruningQuantization.example(seed)
    problem = formulation.compile()
    solution = solve(problem, get_backend("exact"))
    plans = [formulation.task.plan(np.array(choice)) for choice in product(range(3), repeat=5)]
    costs = sorted(formulation.cost(p) for p in plans if formulation.task.stored_bits(p) <= formulation.task.limit)
    assert solution.best.feasible
    assert formulation.cost(solution.best.value) == pytest.approx(solution.best.objective, rel=1e-6)
    # The relaxation may miss the very best plan, which is off the convex hull; it is among the best 2 % of all.
    assert solution.best.objective <= costs[len(costs) // 50] * (1 + 1e-6)
