"""Budgets with products: as constraints, and in quick plans."""

from __future__ import annotations

from dataclasses import replace
from itertools import product as every
from typing import Any

import numpy as np
import pytest

from qubo_dnn.compression.task.budgets import TaskBudget
from qubo_dnn.compression.task.cost_products import CostProduct, LinearForm
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.compression.task.task import CompressionTask, LayerShape
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.pruning_quantization import PruningQuantization


def chain_task(
    seed: int, share: float = 0.6, widths: tuple[int, ...] = (3, 4, 3), factor: bool = False
) -> CompressionTask:
    """A chain of layers whose channels leave one by one; the input, and the last layer's outputs, stay.

    Args:
        seed: random seed of the losses.
        share: the budget as a share of all multiply-accumulates.
        widths: channels of the layers before the last one.
        factor: keep the sensitivity as a factor.
    """
    rng = np.random.default_rng(seed)
    units = sum(widths)
    layers = tuple(LayerShape(f"layer {k}", width, 9, 1) for k, width in enumerate(widths))
    starts = np.cumsum([0, *widths])

    def kept(layer: int) -> LinearForm:
        """Channels that stay behind a layer."""
        if not 0 <= layer < len(widths):
            return LinearForm(constant=3.0, places=np.zeros(0, np.intp), coefficients=np.zeros(0), options=2)
        places = 2 * np.arange(starts[layer], starts[layer + 1])
        return LinearForm(constant=widths[layer], places=places, coefficients=-np.ones(widths[layer]), options=2)

    products = tuple(
        CostProduct(factor=float(rng.integers(1, 10)), outputs=kept(layer), inputs=kept(layer - 1))
        for layer in range(len(widths) + 1)
    )
    allowed = np.ones((units, 2), bool)
    allowed[starts[:-1], 0] = False
    budget = TaskBudget(
        name="macs",
        kind="macs",
        text="budget",
        scale=1.0,
        unit="multiply-accumulates",
        cost=np.zeros((units, 2)),
        overhead=0.0,
        limit=0.0,
        products=products,
    )
    rows = rng.normal(size=(units, 6)) * rng.uniform(0.3, 2.0, (units, 1))
    columns = np.zeros((2 * units, 6), np.float32)
    columns[::2] = rows
    task = CompressionTask(
        layers=layers,
        options=bit_widths(0, 32),
        cost=np.array([[0, 288]] * units),
        overhead=0,
        limit=np.inf,
        mean_magnitude=np.ones(units),
        squared_error=np.square(columns).sum(axis=1).reshape(-1, 2).astype(float),
        sensitivity=QuadraticLossModel(factor=columns, linear=np.zeros(2 * units))
        if factor
        else QuadraticLossModel(matrix=columns @ columns.T, linear=np.zeros(2 * units)),
        allowed=allowed,
    )
    limit = share * budget.used(np.ones(units, np.intp))
    return replace(task, budgets=(replace(budget, limit=limit),))


def least_increase(task: CompressionTask, formulation: PruningQuantization) -> float:
    """The best predicted increase within the budget, by brute force."""
    ranges = [np.flatnonzero(row) for row in task.choices]
    plans = (np.array(choice) for choice in every(*ranges))
    return min(formulation.cost(task.plan(choice)) for choice in plans if task.budgets[0].met(choice))


@pytest.mark.parametrize("seed", range(3))
def test_the_constraint_is_the_budget(seed: int) -> None:
    task = chain_task(seed)
    problem = PruningQuantization(task, objective="separable").compile()
    constraint = problem.constraints["budget macs"]
    # Channels of neighbouring layers alone interact: 2 x 3 and 3 x 2 of those that may leave.
    assert constraint.lhs.num_interactions == 12
    rng = np.random.default_rng(seed)
    for _ in range(20):
        choice = np.where(task.choices[:, 0], rng.integers(0, 2, len(task.choices)), 1)
        taken = {f"x[{unit}][{option}]" for unit, option in enumerate(choice.tolist())}
        sample = {label: int(label in taken) for label in problem.variables}
        assert constraint.lhs.energy(sample) == task.budgets[0].used(choice)
        assert problem.decode(sample).feasible == task.budgets[0].met(choice)


@pytest.mark.parametrize("factor", [False, True])
def test_quick_plans_keep_the_budget(factor: bool) -> None:
    gaps = []
    for seed in range(40):
        task = chain_task(seed, share=0.5 + 0.01 * seed / 2, factor=factor)
        formulation = PruningQuantization(task)
        plan = formulation.quick_plan()
        assert plan is not None
        assert task.meets(plan)
        best = least_increase(task, formulation)
        gaps.append((formulation.cost(plan) - best) / best)
    assert min(gaps) > -1e-5
    assert np.median(gaps) < (0.1 if factor else 0.02)


@pytest.mark.parametrize("backend", ["pt", "neal", "tabu", "genetic", "reinforcement", "exact", "exact-milp"])
def test_backends_keep_a_quadratic_budget(backend: str) -> None:
    """By a price, or natively: then the answer is the best one, with proof."""
    options: dict[str, dict[str, Any]] = {
        "pt": {"num_sweeps": 100},
        "genetic": {"time_limit": 2.0},
        "reinforcement": {"time_limit": 2.0},
    }
    gaps, used = [], []
    for seed in range(4):
        task = chain_task(seed, share=0.45 + 0.1 * seed)
        formulation = PruningQuantization(task, shrinkage=0.3)
        solution = solve(formulation.compile(), get_backend(backend), {"seed": seed, **options.get(backend, {})})
        assert solution.best.feasible
        assert task.meets(solution.best.value)
        assert solution.best.objective == pytest.approx(formulation.cost(solution.best.value), rel=1e-5)
        best = least_increase(task, formulation)
        gaps.append((solution.best.objective - best) / best)
        used.append(task.budgets[0].used(task.choice(solution.best.value)) / task.budgets[0].limit)
        if backend == "exact-milp":
            assert solution.sampleset.info["optimal"]
    assert max(gaps) < (1e-5 if backend == "exact-milp" else 0.2)
    assert np.median(gaps) < 1e-5
    assert min(used) > 0.75


@pytest.mark.parametrize("backend", ["pt", "genetic", "reinforcement"])
def test_backends_keep_it_beside_a_factor(backend: str) -> None:
    task = chain_task(0, factor=True)
    formulation = PruningQuantization(task)
    best = solve(formulation.compile(), get_backend(backend), {"seed": 1, "time_limit": 2.0}).best
    assert best.feasible
    assert task.meets(best.value)
    assert best.objective == pytest.approx(least_increase(task, formulation), rel=0.2)


def test_a_backend_that_takes_no_factor_is_refused_by_name() -> None:
    problem = PruningQuantization(chain_task(0, factor=True)).compile()
    with pytest.raises(UnsupportedProblemError, match="backend 'neal'"):
        solve(problem, get_backend("neal"))
