from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from qubo_dnn.compression.options import bit_widths
from qubo_dnn.compression.plan import LayerPlan
from qubo_dnn.compression.task import CompressionTask, LayerShape, check_compression
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


def test_only_formulations_of_networks_compress() -> None:
    class Toy:
        name: ClassVar[str] = "toy"

    chosen = get_formulation("pruning-quantization")
    assert check_compression(chosen) is chosen
    with pytest.raises(OptionError, match="'toy' is not one of compressing networks"):
        check_compression(Toy)  # type: ignore[arg-type]  # the wrong type is the point
