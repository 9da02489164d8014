"""Quick choices against all choices, and quick plans against solvers."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from qubo_dnn.compression.task.budgets import TaskBudget
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations._shared import plan_descent
from qubo_formulations._shared.loss_model import LossModel
from qubo_formulations._shared.plan_descent import quick_choice
from qubo_formulations.example_task import example_task
from qubo_formulations.pruning_quantization import PruningQuantization

FORMS = ("matrix", "factor", "none")
Floats = NDArray[np.float64]


def random_model(form: str, n: int, rng: np.random.Generator) -> LossModel:
    """Of rank 4, with linear terms of both signs."""
    factor, linear = rng.normal(size=(n, 4)).astype(np.float32), 0.3 * rng.normal(size=n)
    if form == "none":
        return LossModel(linear=linear, offset=1.0)
    if form == "factor":
        return LossModel(linear=linear, offset=1.0, factor=factor)
    return LossModel(linear=linear, offset=1.0, matrix=factor @ factor.T)


def all_choices(sizes: NDArray[np.intp]) -> NDArray[np.intp]:
    """[choices, U] variables."""
    ends = np.cumsum(sizes)
    return np.array(list(product(*(range(end - size, end) for size, end in zip(sizes, ends, strict=True)))))


class Case:
    """Two to six units of one to four options, and the values and costs of all choices."""

    def __init__(self, form: str, seed: int, budgets: int) -> None:
        rng = np.random.default_rng(seed)
        self.sizes = rng.integers(1, 5, rng.integers(2, 7))
        self.model = random_model(form, int(self.sizes.sum()), rng)
        self.costs = rng.integers(0, 10, (len(self.model.linear), budgets)).astype(float)
        choices = all_choices(self.sizes)
        self.used = self.costs[choices].sum(axis=1)
        self.values = np.array([self.model.value(choice) for choice in choices])

    def gap(self, limits: Floats) -> float:
        """How far the quick choice is above the best one within the limits, in deviations of all values."""
        chosen = quick_choice(self.model, self.sizes, self.costs, limits)
        assert chosen is not None
        units = np.searchsorted(np.cumsum(self.sizes), chosen, side="right")
        assert units.tolist() == list(range(len(self.sizes)))
        assert (self.costs[chosen].sum(axis=0) <= limits).all()
        within = self.values[(self.used <= limits).all(axis=1)]
        gap = self.model.value(chosen) - float(within.min())
        assert gap > -1e-4
        return gap / max(float(self.values.std()), 1e-9) if gap > 1e-4 else 0.0


@given(form=st.sampled_from(FORMS), seed=st.integers(0, 2**32), share=st.floats(0.0, 1.0))
def test_a_choice_keeps_the_limit_wherever_one_does(form: str, seed: int, share: float) -> None:
    case = Case(form, seed, budgets=1)
    case.gap(np.quantile(case.used, share, axis=0))


@pytest.mark.parametrize(("form", "best", "mean"), [("matrix", 0.85, 0.03), ("factor", 0.6, 0.15), ("none", 0.9, 0.03)])
def test_most_choices_are_the_best(form: str, best: float, mean: float) -> None:
    """Pairs of units move only beside a matrix."""
    cases = [Case(form, seed, budgets=1) for seed in range(60)]
    gaps = np.array([case.gap(np.quantile(case.used, 0.4, axis=0)) for case in cases])
    assert np.mean(gaps == 0.0) >= best
    assert gaps.mean() <= mean


@pytest.mark.parametrize("form", FORMS)
def test_without_budgets_no_unit_can_do_better_alone(form: str) -> None:
    for seed in range(20):
        case = Case(form, seed, budgets=0)
        chosen = quick_choice(case.model, case.sizes, case.costs, np.zeros(0))
        assert chosen is not None
        value, starts = case.model.value(chosen), np.cumsum([0, *case.sizes])
        for unit in range(len(case.sizes)):
            for option in range(starts[unit], starts[unit + 1]):
                other = chosen.copy()
                other[unit] = option
                assert case.model.value(other) >= value - 1e-4


def test_a_matrix_and_its_factor_give_choices_of_one_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """The factor is of few digits, so that sums of its products are exact; pairs of units do not move."""
    monkeypatch.setattr(plan_descent, "_EXCHANGEABLE", 0)
    rng = np.random.default_rng(0)
    factor, linear = rng.integers(-4, 5, (60, 7)).astype(np.float32), rng.integers(-9, 10, 60).astype(float)
    costs, sizes = rng.integers(0, 10, (60, 1)).astype(float), np.full(20, 3)
    limits = np.array([0.5 * costs.reshape(20, 3).max(axis=1).sum()])
    models = (
        LossModel(linear=linear, offset=0.0, matrix=factor @ factor.T),
        LossModel(linear=linear, offset=0.0, factor=factor),
    )
    chosen = [quick_choice(model, sizes, costs, limits) for model in models]
    assert chosen[0] is not None
    assert chosen[1] is not None
    assert chosen[0].tolist() == chosen[1].tolist()


def test_pairs_move_where_no_unit_can_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one of two units can have its dear option: the first of them gains little, the second much.

    Prices take both or none, since the gains per cost are equal.
    """
    model = LossModel(linear=np.array([1.0, 0.0, 9.0, 0.0]), offset=0.0, matrix=np.zeros((4, 4), np.float32))
    sizes, costs, limits = np.array([2, 2]), np.array([[0.0], [1.0], [0.0], [9.0]]), np.array([9.0])
    chosen = quick_choice(model, sizes, costs, limits)
    assert chosen is not None
    assert chosen.tolist() == [0, 3]
    monkeypatch.setattr(plan_descent, "_EXCHANGEABLE", 0)
    alone = quick_choice(model, sizes, costs, limits)
    assert alone is not None
    assert alone.tolist() == [1, 2]


def test_no_choice_within_the_limits_is_none() -> None:
    model = random_model("matrix", 4, np.random.default_rng(0))
    assert quick_choice(model, np.array([2, 2]), np.ones((4, 1)), np.array([1.9])) is None
    assert quick_choice(model, np.array([2, 2]), np.ones((4, 1)), np.array([2.0])) is not None


class TestPlans:
    """Of the formulation."""

    def test_are_nearly_as_good_as_those_of_an_exact_solver(self) -> None:
        costs = []
        for seed in range(12):
            formulation = PruningQuantization(example_task(seed))
            plan = formulation.quick_plan()
            assert plan is not None
            assert formulation.task.meets(plan)
            best = solve(formulation.compile(), get_backend("exact")).best.objective
            costs.append(formulation.cost(plan) / best)
        assert min(costs) >= 1.0 - 1e-6
        assert float(np.median(costs)) <= 1.0 + 1e-6
        assert max(costs) <= 1.5

    def test_take_only_what_is_allowed_and_what_all_budgets_leave(self) -> None:
        task = example_task(4)
        allowed = np.ones((5, 3), bool)
        allowed[[0, 3], 0] = False
        allowed[1] = [False, True, False]
        shared = {"name": "table", "kind": "table", "text": "table=5", "scale": 1.0, "unit": "ms"}
        bits = TaskBudget(**shared, cost=np.tile([0.0, 1.0, 2.0], (5, 1)), overhead=1.5, limit=6.5)  # type: ignore[arg-type]
        restricted = replace(task, allowed=allowed, budgets=(bits,))
        plan = PruningQuantization(restricted).quick_plan()
        assert plan is not None
        choice = restricted.choice(plan)
        assert restricted.meets(plan)
        assert allowed[np.arange(5), choice].all()

    def test_spend_a_limit_of_exactly_what_they_take(self) -> None:
        """To the last bit."""
        task = example_task(4)
        plan = PruningQuantization(task).quick_plan()
        assert plan is not None
        exactly = replace(task, limit=float(task.stored_bits(plan)))
        again = PruningQuantization(exactly).quick_plan()
        assert again is not None
        assert exactly.meets(again)

    def test_of_unlimited_size_are_those_of_least_cost(self) -> None:
        formulation = PruningQuantization(replace(example_task(4), limit=np.inf), "separable")
        plan = formulation.quick_plan()
        assert plan is not None
        best = solve(formulation.compile(), get_backend("exact")).best.objective
        assert formulation.cost(plan) == pytest.approx(best)
