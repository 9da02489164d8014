from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from qubo_dnn.compression.task.budgets import TaskBudget
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.plan import LayerPlan
from qubo_dnn.compression.task.task import CompressionTask, LayerShape, check_compression
from qubo_dnn.errors import BudgetError, OptionError
from qubo_dnn.registry import get_formulation


@pytest.fixture
def task() -> CompressionTask:
    """Units of 2, 2 and 1 channels with 4 weights each, and one unit of 3 channels with 5."""
    layers = (LayerShape("a", 5, 4, 2), LayerShape("b", 3, 5, 3))
    options = bit_widths(0, 2, 4)
    weights = np.array([8, 8, 4, 15])
    return CompressionTask(
        layers=layers,
        options=options,
        cost=weights[:, None] * np.array([option.bits for option in options]),
        overhead=10,
        limit=80.0,
        mean_magnitude=np.ones(4),
        squared_error=np.ones((4, 3)),
        sensitivity=None,
    )


def test_units_run_through_the_layers(task: CompressionTask) -> None:
    assert [layer.units for layer in task.layers] == [3, 1]
    assert [layer.unit_channels for layer in task.layers] == [[2, 2, 1], [3]]
    assert task.layer_of.tolist() == [0, 0, 0, 1]
    assert task.weights == 35


def test_a_choice_is_a_plan_and_back(task: CompressionTask) -> None:
    plan = task.plan(np.array([0, 2, 1, 1]))
    assert plan.layers == {"a": LayerPlan(2, bit_widths(0, 4, 2)), "b": LayerPlan(3, bit_widths(2))}
    assert task.choice(plan).tolist() == [0, 2, 1, 1]
    assert task.stored_bits(plan) == 10 + 32 + 8 + 30


def test_a_budget_below_all_choices_is_refused_with_what_can_be_reached(task: CompressionTask) -> None:
    task.check_reachable()
    replace(task, limit=10.0).check_reachable()
    with pytest.raises(BudgetError, match=r"0\.2571 stored.*options 0, 2, 4.*0\.2857 to 4\.286 .*2 to 19 bytes"):
        replace(task, limit=9.0).check_reachable()


def test_sizes_in_words_are_per_weight_of_the_whole_network(task: CompressionTask) -> None:
    """35 weights to compress, and 15 more in layers that stay float32."""
    beside = replace(task, skipped_weights=15, overhead=490, limit=500.0)
    assert (task.per_weight(70.0), beside.per_weight(500.0)) == (2.0, 10.0)
    assert beside.limits() == "10 stored bits per weight"
    with pytest.raises(BudgetError, match=r"9\.6 stored .* 9\.8 to 12\.6 bits per weight \(62 to 79 bytes\)"):
        replace(beside, limit=480.0).check_reachable()


class TestTied:
    """The first and the last unit of layer a are tied to the unit of layer b."""

    @pytest.fixture
    def tied(self, task: CompressionTask) -> CompressionTask:
        cost = np.stack([task.cost[[0, 2, 3]].sum(0), task.cost[1]])
        return replace(
            task, tied=np.array([0, 1, 0, 0]), cost=cost, mean_magnitude=np.ones(2), squared_error=np.ones((2, 3))
        )

    def test_a_decision_gives_one_option_to_several_units(self, tied: CompressionTask) -> None:
        plan = tied.plan(np.array([2, 1]))
        assert plan.layers == {"a": LayerPlan(2, bit_widths(4, 2, 4)), "b": LayerPlan(3, bit_widths(4))}
        assert tied.choice(plan).tolist() == [2, 1]
        assert tied.stored_bits(plan) == 10 + 4 * 27 + 2 * 8

    def test_a_decision_is_of_the_layer_of_its_first_unit(self, tied: CompressionTask) -> None:
        assert tied.layer_of.tolist() == [0, 0]
        assert replace(tied, tied=np.array([0, 0, 0, 1])).layer_of.tolist() == [0, 1]
        assert tied.weights == 35


class TestAllowed:
    def test_limits_what_can_be_reached(self, task: CompressionTask) -> None:
        """The dear option alone for the last unit, the middle one at most for the others."""
        allowed = np.array([[True, True, False]] * 3 + [[False, False, True]])
        some = replace(task, allowed=allowed)
        assert task.choices.all()
        assert np.array_equal(some.choices, allowed)
        replace(some, limit=70.0).check_reachable()
        with pytest.raises(BudgetError, match=r"they reach 2 to 3\.143 .*9 to 14 bytes"):
            replace(some, limit=69.0).check_reachable()


class TestBudgets:
    @pytest.fixture
    def budget(self) -> TaskBudget:
        cost = np.tile([0.0, 0.5, 2.0], (4, 1))
        return TaskBudget(
            name="latency", kind="table", text="latency=3", cost=cost, overhead=0, limit=3.0, scale=1.0, unit="latency"
        )

    @pytest.mark.parametrize(
        ("choice", "bits", "latency"), [([1, 1, 1, 0], 50, 1.5), ([2, 0, 2, 0], 58, 4.0), ([0, 1, 0, 2], 86, 2.5)]
    )
    def test_all_are_to_be_met(
        self, task: CompressionTask, budget: TaskBudget, choice: list[int], bits: int, latency: float
    ) -> None:
        plan = task.plan(np.array(choice))
        assert task.stored_bits(plan) == bits
        assert budget.used(np.array(choice)) == latency
        assert task.meets(plan) == (bits <= 80)
        assert replace(task, limit=float("inf"), budgets=(budget,)).meets(plan) == (latency <= 3.0)
        assert replace(task, budgets=(budget,)).meets(plan) == (bits <= 80 and latency <= 3.0)

    def test_are_told_in_words(self, task: CompressionTask, budget: TaskBudget) -> None:
        assert replace(task, budgets=(budget,)).limits() == "2.286 stored bits per weight and latency=3"
        assert replace(task, limit=float("inf"), budgets=(budget,)).limits() == "latency=3"

    def test_each_has_to_be_reachable_with_the_options_allowed(self, task: CompressionTask, budget: TaskBudget) -> None:
        both = replace(task, limit=1e9, budgets=(budget,))
        both.check_reachable()
        with pytest.raises(BudgetError, match=r"latency=3 cannot be met .* 8 latency to 8 latency"):
            replace(both, allowed=np.array([[False, False, True]] * 4)).check_reachable()


def test_only_formulations_of_networks_compress() -> None:
    class Toy:
        name: ClassVar[str] = "toy"

    chosen = get_formulation("pruning-quantization")
    assert check_compression(chosen) is chosen
    with pytest.raises(OptionError, match="'toy' is not one of compressing networks"):
        check_compression(Toy)  # type: ignore[arg-type]  # the wrong type is the point
