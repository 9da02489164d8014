from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from qubo_dnn.compression.task.budgets import TaskBudget
from qubo_dnn.compression.task.cost_products import CostProduct, LinearForm
from qubo_dnn.compression.task.decision_map import DecisionMap
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.plan import LayerPlan
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.errors import BudgetError, FormulationError, OptionError, UnsupportedProblemError
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations._shared import loss_model
from qubo_formulations.example_task import example_task
from qubo_formulations.pruning_quantization import SHRINKAGES, PruningQuantization

OBJECTIVES = ("gauss-newton", "separable", "trace")
Choice = NDArray[np.intp]


@pytest.fixture
def task() -> CompressionTask:
    """5 units of 3 and 2 channels with 9 and 18 weights each; 0, 2 or 4 bits."""
    return example_task(4)


@pytest.fixture
def full(task: CompressionTask) -> CompressionTask:
    """The same with all that a later round has: a linear term, an offset, large losses, options that change nothing."""
    rng = np.random.default_rng(5)
    assert task.sensitivity is not None
    squared_error = task.squared_error.copy()
    squared_error[:, -1] = 0.0
    return replace(
        task,
        squared_error=squared_error,
        sensitivity=replace(task.sensitivity, linear=rng.normal(size=15), offset=0.4),
        nonlinearity=rng.uniform(1.0, 4.0, (5, 3)),
    )


def restricted(task: CompressionTask) -> CompressionTask:
    """Units 0 and 3 may not be pruned, unit 1 has 2 bits."""
    allowed = np.ones((5, 3), bool)
    allowed[[0, 3], 0] = False
    allowed[1] = [False, True, False]
    return replace(task, allowed=allowed)


def tied(task: CompressionTask) -> CompressionTask:
    """Units 0 and 3 share a decision, and so do 1 and 4."""
    decision = np.array([0, 1, 2, 0, 1])
    merge = DecisionMap(decision)
    assert task.sensitivity is not None
    return replace(
        task,
        cost=merge.sum(task.cost),
        mean_magnitude=merge.mean(task.mean_magnitude[:, None])[:, 0],
        squared_error=merge.sum(task.squared_error),
        sensitivity=merge.sensitivity(task.sensitivity, 3),
        nonlinearity=None if task.nonlinearity is None else merge.mean(task.nonlinearity),
        tied=decision,
    )


def low_rank(task: CompressionTask) -> CompressionTask:
    """The same task, its sensitivity as a factor."""
    assert task.sensitivity is not None
    assert task.sensitivity.matrix is not None
    values, vectors = np.linalg.eigh(task.sensitivity.matrix.astype(float))
    factor = (vectors * np.sqrt(np.maximum(values, 0.0))).astype(np.float32)
    return replace(
        task,
        sensitivity=QuadraticLossModel(factor=factor, linear=task.sensitivity.linear, offset=task.sensitivity.offset),
    )


def choices(task: CompressionTask) -> Iterator[Choice]:
    """All that are allowed."""
    for choice in product(*(np.flatnonzero(row) for row in task.choices)):
        yield np.array(choice)


def sample_of(task: CompressionTask, choice: Choice) -> dict[Hashable, int]:
    return {f"x[{u}][{k}]": int(choice[u] == k) for u, row in enumerate(task.choices) for k in np.flatnonzero(row)}


def formula(task: CompressionTask, objective: str, shrinkage: float, choice: Choice) -> float:
    """The docstring's objective, written out with loops."""
    measured, options = task.sensitivity, len(task.options)
    assert measured is not None
    q = measured.matrix if measured.factor is None else measured.factor @ measured.factor.T
    assert q is not None
    isotropic: list[float] = []
    for u in range(len(choice)):
        ratios = [
            float(q[v * options + k, v * options + k]) / task.squared_error[v, k]
            for v in range(len(choice))
            for k in range(options)
            if task.layer_of[v] == task.layer_of[u] and task.squared_error[v, k] > 0
        ]
        trace = sum(ratios) / len(ratios) if ratios else 0.0
        isotropic.append(trace * task.squared_error[u, choice[u]])
    rows = [u * options + int(k) for u, k in enumerate(choice)]
    linear = sum(float(measured.linear[row]) for row in rows)
    if objective == "trace":
        return measured.offset + linear + 0.5 * sum(isotropic)
    diagonal = [float(q[row, row]) for row in rows]
    worse = [1.0] * len(rows) if task.nonlinearity is None else [float(task.nonlinearity.flat[row]) for row in rows]
    large = sum((c - 1.0) / 2.0 * d for c, d in zip(worse, diagonal, strict=True))
    if objective == "separable":
        return measured.offset + linear + 0.5 * sum(diagonal) + large
    pairs = sum(float(q[row, column]) for row in rows for column in rows)
    shrunk = (1 - shrinkage) * pairs + shrinkage * (sum(diagonal) + sum(isotropic)) / 2
    return measured.offset + (1 - shrinkage) * linear + 0.5 * shrunk + large


def check_formula(task: CompressionTask, objective: str, shrinkage: float) -> None:
    """Objective, cost and prediction of every choice are the formula's, and no two differ by accident only."""
    formulation = PruningQuantization(task, objective, shrinkage)
    problem = formulation.compile()
    seen = set()
    for choice in choices(task):
        expected = formula(task, objective, shrinkage, choice)
        decoded = problem.decode(sample_of(task, choice))
        assert decoded.objective == pytest.approx(expected, rel=1e-5, abs=1e-6)
        assert formulation.cost(decoded.value) == pytest.approx(expected, rel=1e-5, abs=1e-6)
        assert formulation.predicted_loss_increase(decoded.value) == formulation.cost(decoded.value)
        seen.add(round(expected, 3))
    assert len(seen) > 1


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("shrinkage", [0.0, 0.3, 1.0])
def test_the_objective_is_its_formula(
    task: CompressionTask, full: CompressionTask, objective: str, shrinkage: float
) -> None:
    check_formula(task, objective, shrinkage)
    check_formula(full, objective, shrinkage)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("alter", [restricted, tied, low_rank])
def test_the_formula_holds_for_every_kind_of_task(full: CompressionTask, objective: str, alter: object) -> None:
    assert callable(alter)
    check_formula(alter(full), objective, 0.3)
    check_formula(low_rank(tied(full)), objective, 0.3)
    check_formula(low_rank(restricted(full)), objective, 0.3)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_symbols_and_arrays_compile_to_the_same_problem(
    full: CompressionTask, objective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = []
    for limit in (10**6, 0):
        monkeypatch.setattr(loss_model, "PYQUBO_VARIABLES", limit)
        problems.append(PruningQuantization(restricted(full), objective).compile())
    symbolic, arrays = problems
    assert symbolic.variables == arrays.variables
    assert symbolic.objective.is_almost_equal(arrays.objective, places=10)
    assert symbolic.one_hot == arrays.one_hot
    assert symbolic.constraints == arrays.constraints


def test_only_options_that_a_unit_may_take_are_variables(full: CompressionTask) -> None:
    problem = PruningQuantization(restricted(full)).compile()
    assert problem.one_hot == {
        "unit 0": ("x[0][1]", "x[0][2]"),
        "unit 1": ("x[1][1]",),
        "unit 2": ("x[2][0]", "x[2][1]", "x[2][2]"),
        "unit 3": ("x[3][1]", "x[3][2]"),
        "unit 4": ("x[4][0]", "x[4][1]", "x[4][2]"),
    }
    assert problem.variables == tuple(name for group in problem.one_hot.values() for name in group)


def test_tied_units_get_the_same_option(full: CompressionTask) -> None:
    task = tied(full)
    problem = PruningQuantization(task).compile()
    assert len(problem.variables) == 9
    plan = problem.decode(sample_of(task, np.array([0, 2, 1]))).value
    assert plan.layers == {"first": LayerPlan(1, bit_widths(0, 4, 2)), "second": LayerPlan(1, bit_widths(0, 4))}


def test_tying_changes_nothing_about_plans_that_agree_anyway(full: CompressionTask) -> None:
    """Without the shrinkage's and the large changes' own terms, which are of whole decisions."""
    apart, together = replace(full, nonlinearity=None), tied(replace(full, nonlinearity=None))
    one, other = PruningQuantization(apart, shrinkage=0.0), PruningQuantization(together, shrinkage=0.0)
    for choice in choices(together):
        plan = together.plan(choice)
        assert other.cost(plan) == pytest.approx(one.cost(plan), rel=1e-5)
        assert together.stored_bits(plan) == apart.stored_bits(plan)


def test_a_plan_with_an_option_that_is_not_allowed_has_no_cost(full: CompressionTask) -> None:
    plan = full.plan(np.zeros(5, np.intp))
    PruningQuantization(full).cost(plan)
    with pytest.raises(FormulationError, match="unit 0 may not take the option 0"):
        PruningQuantization(restricted(full)).cost(plan)


class TestLowRank:
    def test_it_is_the_dense_problem_without_its_interactions(self, full: CompressionTask) -> None:
        dense, kept = (PruningQuantization(task).compile() for task in (full, low_rank(full)))
        assert kept.low_rank is not None
        assert kept.low_rank.variables == kept.variables == dense.variables
        assert (dense.low_rank, kept.objective.num_interactions) == (None, 0)
        assert kept.one_hot == dense.one_hot
        assert kept.constraints == dense.constraints
        for choice in choices(full):
            sample = sample_of(full, choice)
            assert kept.decode(sample).objective == pytest.approx(dense.decode(sample).objective, rel=1e-5)
            assert kept.decode(sample).violations == dense.decode(sample).violations

    @pytest.mark.parametrize("objective", ["separable", "trace"])
    def test_diagonal_objectives_need_none_and_can_be_solved(self, full: CompressionTask, objective: str) -> None:
        both = [PruningQuantization(task, objective).compile() for task in (full, low_rank(full))]
        assert both[1].low_rank is None
        assert both[0].objective.is_almost_equal(both[1].objective, places=4)
        assert solve(both[1], get_backend("exact")).best.feasible

    def test_solving_is_refused_with_the_figures(self, full: CompressionTask) -> None:
        with pytest.raises(UnsupportedProblemError, match=r"'exact' .* 15 densely .* 1e\+02 interactions.* rank 15"):
            solve(PruningQuantization(low_rank(full)).compile(), get_backend("exact"))

    def test_a_backend_that_takes_the_factor_finds_the_same(self, full: CompressionTask) -> None:
        dense, kept = (
            solve(PruningQuantization(task).compile(), get_backend("pt"), {"seed": 0, "num_sweeps": 300}).best
            for task in (full, low_rank(full))
        )
        assert kept.feasible
        assert kept.value == dense.value
        assert kept.objective == pytest.approx(dense.objective, rel=1e-5)


def second_budget(limit: float, name: str = "latency") -> TaskBudget:
    """Costs that run against those of the stored size: fewer bits take longer."""
    cost = np.arange(15, dtype=float).reshape(5, 3)[:, ::-1] + 0.25
    return TaskBudget(
        name=name,
        kind="table",
        text=f"{name}={limit}",
        cost=cost,
        overhead=1.5,
        limit=limit,
        scale=1.0,
        unit="ms",
    )


class TestBudgets:
    def test_the_budget_is_what_the_task_says_is_stored(self, task: CompressionTask) -> None:
        problem = PruningQuantization(task).compile()
        budget = problem.constraints["budget"]
        assert (budget.sense, budget.rhs) == ("<=", task.limit)
        met = 0
        for choice in choices(task):
            sample, plan = sample_of(task, choice), task.plan(choice)
            assert budget.lhs.energy(sample) == task.stored_bits(plan)
            assert problem.decode(sample).feasible == task.meets(plan)
            met += task.meets(plan)
        assert 0 < met < 3**5

    @pytest.mark.parametrize("alter", [None, restricted])
    def test_every_budget_is_a_constraint_of_its_own(self, task: CompressionTask, alter: object) -> None:
        task = replace(task, budgets=(second_budget(38.0), second_budget(41.0, "power")))
        task = alter(task) if callable(alter) else task
        problem = PruningQuantization(task).compile()
        assert set(problem.constraints) == {"budget", "budget latency", "budget power"}
        outcomes = set()
        for choice in choices(task):
            sample, plan = sample_of(task, choice), task.plan(choice)
            violations = problem.decode(sample).violations
            used = task.budgets[0].used(choice)
            assert problem.constraints["budget latency"].lhs.energy(sample) == pytest.approx(used)
            assert (not violations) == task.meets(plan)
            outcomes.add(frozenset(violations))
        assert {frozenset(), frozenset({"budget"})} <= outcomes
        assert any("budget latency" in broken and "budget power" not in broken for broken in outcomes)

    def test_an_infinite_size_is_no_constraint(self, task: CompressionTask) -> None:
        assert PruningQuantization(replace(task, limit=np.inf)).compile().constraints == {}
        latency = replace(task, limit=np.inf, budgets=(second_budget(38.0),))
        assert set(PruningQuantization(latency).compile().constraints) == {"budget latency"}

    def test_several_budgets_are_kept_by_the_solution(self, task: CompressionTask) -> None:
        task = replace(task, budgets=(second_budget(38.0),))
        solution = solve(PruningQuantization(task).compile(), get_backend("exact"))
        assert task.meets(solution.best.value)

    def test_out_of_reach_names_the_range(self, task: CompressionTask) -> None:
        with pytest.raises(BudgetError, match=r"options 0, 2, 4: they reach 1\.016 to 5\.016 bits per weight"):
            PruningQuantization(replace(task, limit=10.0))
        with pytest.raises(BudgetError, match=r"latency=20.* they reach 32\.75 ms to"):
            PruningQuantization(replace(task, budgets=(second_budget(20.0),)))

    def test_what_is_not_allowed_does_not_make_it_reachable(self, task: CompressionTask) -> None:
        least = float(task.stored_bits(task.plan(np.zeros(5, np.intp))))
        PruningQuantization(replace(task, limit=least))
        with pytest.raises(BudgetError, match="cannot be met"):
            PruningQuantization(replace(restricted(task), limit=least))


def test_decoding_is_the_inverse_of_encoding(task: CompressionTask) -> None:
    formulation = PruningQuantization(task)
    for choice in choices(task):
        assert task.choice(formulation.decode(sample_of(task, choice))).tolist() == list(choice)


def test_a_broken_unit_gets_the_most_bits_of_what_is_chosen(task: CompressionTask) -> None:
    rows = [(0, 0, 0), (1, 1, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1)]
    sample: dict[Hashable, int] = {f"x[{u}][{k}]": bit for u, row in enumerate(rows) for k, bit in enumerate(row)}
    plan = PruningQuantization(task).decode(sample)
    assert plan.layers == {"first": LayerPlan(1, bit_widths(4, 2, 0)), "second": LayerPlan(1, bit_widths(4, 4))}


def test_a_broken_unit_gets_nothing_that_it_may_not_take(task: CompressionTask) -> None:
    restrict = restricted(task)
    plan = PruningQuantization(restrict).decode(dict.fromkeys(PruningQuantization(restrict).labels, 0))
    assert plan.layers == {"first": LayerPlan(1, bit_widths(4, 2, 4)), "second": LayerPlan(1, bit_widths(4, 4))}


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
    plan = task.plan(np.array([0, 1, 2, 1, 0]))
    costs = [PruningQuantization.from_task(task, shrinkage=value).cost(plan) for value in ("0", 0.0, "0.5")]
    assert costs[0] == costs[1] != costs[2]


def test_the_shrinkage_can_be_tuned_unless_it_is_set_or_does_nothing(task: CompressionTask) -> None:
    tunable = tuple({"shrinkage": r} for r in SHRINKAGES)
    assert PruningQuantization.tunable({"objective": "gauss-newton"}, task).sets == tunable
    for parameters in ({"shrinkage": "0.2"}, {"objective": "trace"}, {"objective": "separable"}):
        before = dict(parameters)
        assert PruningQuantization.tunable(parameters, task).sets == ({},)
        assert parameters == before
    plan = task.plan(np.array([0, 1, 2, 1, 0]))
    for each in (task, replace(task, options=bit_widths(0, 32, 32))):
        tried = PruningQuantization.tunable({}, each).sets
        assert len({PruningQuantization.from_task(task, **chosen).cost(plan) for chosen in tried}) == len(tried)


def test_the_diagonal_has_to_be_clearly_worse_unless_widths_of_weights_are_chosen_within_linear_budgets(
    task: CompressionTask,
) -> None:
    macs = TaskBudget(
        name="macs", kind="macs", text="60%macs", cost=task.cost, overhead=0.0, limit=100.0, scale=1.0, unit="of all"
    )
    form = LinearForm(constant=3.0, places=np.array([0]), coefficients=np.array([-1.0]), options=3)
    rows: list[tuple[dict[str, Any], bool]] = [
        ({}, False),
        ({"budgets": (macs,)}, False),
        ({"budgets": (replace(macs, products=(CostProduct(factor=2.0, outputs=form, inputs=form),)),)}, True),
        ({"activations": ("first",)}, True),
        ({"options": bit_widths(0, 32)}, True),
    ]
    for changes, clearly in rows:
        found = PruningQuantization.tunable({}, replace(task, **changes))
        assert found.sets[0] == {"objective": "separable"}
        assert found.clearly == clearly


def test_a_sensitivity_that_is_not_finite_is_refused(task: CompressionTask) -> None:
    assert task.sensitivity is not None
    assert task.sensitivity.matrix is not None
    spoilt = task.sensitivity.matrix.copy()
    spoilt[0, 4] = spoilt[4, 0] = np.nan
    with pytest.raises(FormulationError, match="not a finite number"):
        PruningQuantization(replace(task, sensitivity=replace(task.sensitivity, matrix=spoilt))).compile()


@pytest.mark.parametrize("seed", range(3))
def test_the_example_is_solved_close_to_its_optimum(seed: int) -> None:
    formulation = PruningQuantization.example(seed)
    problem = formulation.compile()
    solution = solve(problem, get_backend("exact"))
    plans = [formulation.task.plan(choice) for choice in choices(formulation.task)]
    costs = sorted(formulation.cost(plan) for plan in plans if formulation.task.meets(plan))
    assert solution.best.feasible
    assert formulation.cost(solution.best.value) == pytest.approx(solution.best.objective, rel=1e-6)
    # The relaxation may miss the very best plan, which is off the convex hull; it is among the best 2 % of all.
    assert solution.best.objective <= costs[len(costs) // 50] * (1 + 1e-6)


class TestEncode:
    def test_is_the_inverse_of_decode(self, task: CompressionTask) -> None:
        formulation = PruningQuantization(task, objective="separable")
        problem = formulation.compile()
        for choice in product(range(3), repeat=5):
            plan = task.plan(np.array(choice))
            sample = formulation.encode(plan)
            assert formulation.decode(sample) == plan
            assert list(sample) == sorted(sample) == list(problem.variables)
            assert problem.decode(sample).objective == pytest.approx(formulation.cost(plan))

    def test_knows_where_decisions_are_not_free(self, task: CompressionTask) -> None:
        allowed = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 1]], bool)
        formulation = PruningQuantization(replace(task, allowed=allowed))
        plan = task.plan(np.array([0, 2, 2, 0, 2]))
        sample = formulation.encode(plan)
        assert sample.keys() == set(formulation.labels)
        assert formulation.decode(sample) == plan
        with pytest.raises(FormulationError, match="unit 1 may not take the option 0"):
            formulation.encode(task.plan(np.array([0, 0, 2, 0, 2])))
