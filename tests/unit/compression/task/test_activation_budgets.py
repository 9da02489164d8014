"""Limits on the widths of activations: bit operations, which are products, and formats."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from qubo_dnn.compression.task.bops_budget import bops_budget
from qubo_dnn.compression.task.budget_costs import task_budget
from qubo_dnn.compression.task.budgets import TaskBudget, parse_budget
from qubo_dnn.compression.task.channel_map import STAYS, ChannelMap, LayerChannels
from qubo_dnn.compression.task.formats_limit import formats_limit
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.errors import BudgetError, OptionError
from qubo_formulations.example_task import example_task
from qubo_formulations.pruning_quantization import PruningQuantization

MACS = {"first": 2700, "second": 3600}


def task(*, shared: bool = False, free: bool = True) -> CompressionTask:
    """Units of 3 and 2 channels, options 0, 2 and 4; both layers read activations of 2 or 4 bits."""
    plain = example_task(seed=1)
    rows = 1 if shared else 2
    widths = np.array([[False, free, True]] * rows)
    tied = np.array([0, 1, 2, 3, 4, 5, 5]) if shared else None
    assert plain.sensitivity is not None
    size = (5 + rows) * 3
    factor = np.random.default_rng(0).normal(size=(size, 6))
    matrix = np.asarray(factor @ factor.T, np.float32)
    return replace(
        plain,
        cost=np.vstack([plain.cost, np.zeros((rows, 3), plain.cost.dtype)]),
        squared_error=np.vstack([plain.squared_error, np.ones((rows, 3))]),
        mean_magnitude=np.append(plain.mean_magnitude, np.ones(rows)),
        allowed=np.vstack([np.ones((5, 3), bool), widths]),
        tied=tied,
        activations=("first", "second"),
        limit=np.inf,
        sensitivity=replace(plain.sensitivity, matrix=matrix, linear=np.zeros(size)),
    )


def plain_budget(text: str, of: CompressionTask) -> TaskBudget:
    return task_budget(parse_budget(text), of.layers, of.options, macs=MACS)


def choices(of: CompressionTask) -> list[np.ndarray]:
    each = [np.flatnonzero(row) for row in of.choices]
    return [np.array(choice, np.intp) for choice in itertools.product(*each)]


def bops(of: CompressionTask, plan: Plan) -> float:
    """Count what `bops_budget` limits, layer by layer."""
    total = 0.0
    for layer in of.layers:
        bits = sum(option.bits for option in plan.layers[layer.name].options)
        total += MACS[layer.name] * plan.activations[layer.name] * bits / layer.channels
    return total


@pytest.mark.parametrize("shared", [False, True])
def test_bit_operations_are_products_of_both_widths(shared: bool) -> None:
    given = task(shared=shared)
    budget = bops_budget(plain_budget("1%bops", given), given)
    for choice in choices(given)[::7]:
        assert budget.used(choice) == pytest.approx(bops(given, given.plan(choice)))
    assert budget.amount(budget.limit) == pytest.approx(0.01)


def test_fixed_activations_leave_a_linear_budget() -> None:
    given = task(free=False)
    budget = bops_budget(plain_budget("1%bops", given), given)
    assert not budget.products
    assert budget.used(np.full(7, 2)) == pytest.approx((2700 + 3600) * 4 * 4)


def test_a_budget_out_of_reach_names_the_range() -> None:
    given = task()
    allowed = given.choices.copy()
    allowed[:5, :2] = False
    # Weights of 4 bits, activations of 2 or 4, of 32 x 32.
    with pytest.raises(BudgetError, match=r"they reach 0\.7812 % of the fp32 BOPs to 1\.562 %"):
        bops_budget(plain_budget("0.001%bops", given), given).check_reachable(allowed)
    assert bops_budget(plain_budget("1%bops", given), given).used(np.array([0, 0, 0, 0, 0, 1, 1])) == 0.0


def test_the_compiled_constraint_is_the_budget() -> None:
    given = task()
    budget = bops_budget(plain_budget("0.6%bops", given), given)
    problem = PruningQuantization.from_task(replace(given, budgets=(budget,))).compile()
    constraint = problem.constraints["budget bops"]
    for choice in choices(given)[::11]:
        sample = {f"x[{u}][{k}]": int(choice[u] == k) for u in range(7) for k in np.flatnonzero(given.choices[u])}
        assert constraint.lhs.energy(sample) == pytest.approx(budget.used(choice))
        assert problem.decoder(sample) == given.plan(choice)


def test_plans_name_widths_of_activations() -> None:
    given = task()
    choice = np.array([0, 2, 1, 2, 0, 1, 2])
    plan = given.plan(choice)
    assert plan.activations == {"first": 2, "second": 4}
    assert given.choice(plan).tolist() == choice.tolist()
    assert given.choice(Plan.from_json(plan.to_json())).tolist() == choice.tolist()
    assert given.stored_bits(plan) == example_task(seed=1).stored_bits(Plan(plan.layers))
    increases = given.layer_increases(plan)
    assert set(increases) == {"first", "second"}
    x = np.zeros(21)
    x[np.arange(7) * 3 + choice] = 1.0
    assert given.sensitivity is not None
    assert sum(increases.values()) == pytest.approx(given.sensitivity.increase(x), rel=1e-5)


def removable() -> ChannelMap:
    """The channels of the first layer, which the second reads."""
    first = LayerChannels(name="first", macs=2700, made=np.arange(3), read=np.array([STAYS]))
    second = LayerChannels(name="second", macs=3600, made=np.array([STAYS, STAYS]), read=np.arange(3))
    return ChannelMap((first, second), group_of=np.zeros(3, int), groups=("first",))


def test_inputs_that_are_removed_make_no_bit_operations() -> None:
    given = example_task(seed=1)
    budget = bops_budget(plain_budget("1%bops", given), given, removable())
    # One of three channels stays: of 4 bits for 900 products; the second layer reads it alone, at 4 and 2 bits.
    assert budget.used(np.array([0, 2, 0, 2, 1])) == pytest.approx(32 * (900 * 4 + 3600 / 3 * (4 + 2) / 2))
    fixed = task(free=False)
    assert bops_budget(plain_budget("1%bops", fixed), fixed, removable()).used(
        np.array([0, 2, 0, 2, 1, 2, 2])
    ) == pytest.approx(4 * (900 * 4 + 3600 / 3 * (4 + 2) / 2))


def test_a_product_of_three_numbers_is_refused() -> None:
    given = task()
    with pytest.raises(OptionError, match="give one width of activations"):
        bops_budget(plain_budget("1%bops", given), given, removable())


EXCLUDED = frozenset({(Option(4), 2)})


@pytest.mark.parametrize("shared", [False, True])
def test_excluded_formats_are_not_met(shared: bool) -> None:
    given = task(shared=shared)
    limit = formats_limit(given, EXCLUDED)
    for choice in choices(given)[::5]:
        plan = given.plan(choice)
        wrong = any(
            plan.activations[name] == 2 and any(option.bits == 4 for option in layer.options)
            for name, layer in plan.layers.items()
        )
        assert limit.met(choice) is not wrong


def test_a_layer_without_any_format_is_refused() -> None:
    given = task()
    allowed = given.choices.copy()
    allowed[:3] = [False, False, True]
    allowed[5] = [False, True, False]
    with pytest.raises(OptionError, match="the layer 'first' may take none of the formats"):
        formats_limit(replace(given, allowed=allowed), EXCLUDED)


def test_the_quick_plan_keeps_products_and_formats() -> None:
    given = task()
    budget = bops_budget(plain_budget("0.6%bops", given), given)
    limited = replace(given, budgets=(budget, formats_limit(given, EXCLUDED)))
    plan = PruningQuantization.from_task(limited).quick_plan()
    assert plan is not None
    assert limited.meets(plan)
