from __future__ import annotations

import numpy as np
import pytest

from qubo_dnn.compression.task.budget_costs import bops_costs, size_costs, task_budget
from qubo_dnn.compression.task.budgets import parse_budget
from qubo_dnn.compression.task.cost_tables import CostTable
from qubo_dnn.compression.task.options import Option, parse_options
from qubo_dnn.compression.task.stored_bits import LAYER_OVERHEAD_BITS, stored_bits
from qubo_dnn.compression.task.task import LayerShape
from qubo_dnn.errors import FileFormatError, OptionError

# Units of 2, 2 and 1 channels of 10 weights, and one of 3 channels of 4; 62 weights.
LAYERS = (LayerShape("conv", 5, 10, 2), LayerShape("fc", 3, 4, 3))
OPTIONS = parse_options("0,2,4@50%,4")
MACS = {"conv": 5000, "fc": 12}


def test_stored_bits_are_whole_numbers_of_every_unit() -> None:
    costs = size_costs(LAYERS, OPTIONS)
    assert costs.dtype == np.int64
    shapes = [(10, 2), (10, 2), (10, 1), (4, 3)]
    assert costs.tolist() == [[stored_bits(size, channels, option) for option in OPTIONS] for size, channels in shapes]


def test_bit_operations_of_surviving_weights() -> None:
    """A channel of `conv` makes 1000 multiply-accumulates, one of `fc` 4."""
    costs = bops_costs(LAYERS, OPTIONS, MACS, activation_bits=8)
    conv, fc = 1000 * 8, 4 * 8
    assert costs.tolist() == [
        [0, 2 * conv * 2, 2 * conv * 2, 2 * conv * 4],
        [0, 2 * conv * 2, 2 * conv * 2, 2 * conv * 4],
        [0, conv * 2, conv * 2, conv * 4],
        [0, 3 * fc * 2, 3 * fc * 2, 3 * fc * 4],
    ]


def test_masked_weights_are_rounded_as_they_are_stored() -> None:
    layer = LayerShape("odd", 1, 3, 1)
    assert bops_costs([layer], [Option(4, 0.4)], {"odd": 3}) == pytest.approx(2 * 4 * 32)


@pytest.mark.parametrize(
    ("text", "limit", "amount", "words"),
    [
        ("3bits", 186, 3.0, "3 bits per weight"),
        ("25%", 496, 0.25, "25 % of the fp32 weights"),
        ("40B", 320, 40.0, "40 bytes of weights"),
    ],
)
def test_stored_size(text: str, limit: int, amount: float, words: str) -> None:
    budget = task_budget(parse_budget(text), LAYERS, OPTIONS)
    assert (budget.name, budget.limit, budget.overhead) == ("size", limit, 2 * LAYER_OVERHEAD_BITS)
    assert budget.amount(budget.limit) == pytest.approx(amount)
    assert budget.words(budget.limit) == words
    assert budget.cost.dtype == np.int64


def test_a_limit_between_two_whole_bits_is_the_lower_one() -> None:
    assert task_budget(parse_budget("0.1bits"), LAYERS, OPTIONS).limit == 6


@pytest.mark.parametrize(
    ("text", "limit", "words"),
    [("25%bops", 5012 * 1024 / 4, "25 % of the fp32 BOPs"), ("2kBOPs", 2000.0, "2000 BOPs")],
)
def test_bit_operations(text: str, limit: float, words: str) -> None:
    budget = task_budget(parse_budget(text), LAYERS, OPTIONS, macs=MACS)
    assert (budget.name, budget.overhead) == ("bops", 0.0)
    assert budget.limit == pytest.approx(limit)
    assert budget.words(budget.limit) == words
    assert budget.cost.tolist() == bops_costs(LAYERS, OPTIONS, MACS).tolist()


def test_half_the_width_is_half_of_the_bit_operations_at_32_bits() -> None:
    budget = task_budget(parse_budget("50%bops"), LAYERS, [Option(8)], macs=MACS)
    assert budget.amount(budget.used(np.zeros(4, np.intp))) == pytest.approx(8 / 32)


def test_skipped_layers_count_as_float() -> None:
    skipped = [LAYERS[1]]
    size = task_budget(parse_budget("3bits"), LAYERS[:1], OPTIONS, skipped=skipped)
    assert (size.limit, size.overhead) == (186, LAYER_OVERHEAD_BITS + 12 * 32)
    bops = task_budget(parse_budget("25%bops"), LAYERS[:1], OPTIONS, skipped=skipped, macs=MACS)
    assert (bops.limit, bops.overhead) == (5012 * 1024 / 4, 12 * 1024)
    assert size.cost.shape == bops.cost.shape == (3, 4)


def test_a_network_without_bit_operations_is_refused() -> None:
    with pytest.raises(OptionError, match="no layer that can be compressed makes bit operations"):
        task_budget(parse_budget("25%bops"), LAYERS, OPTIONS, macs={"conv": 0, "fc": 0})


def table(*costs: float) -> dict[str, CostTable]:
    keys = [(layer.name, option) for layer in LAYERS for option in OPTIONS]
    return {"latency": CostTable("latency.csv", dict(zip(keys, costs, strict=True)))}


def test_a_table_is_shared_among_units_by_their_channels() -> None:
    tables = table(0.0, 1.0, 2.0, 5.0, 0.5, 0.25, 0.75, 0.25)
    budget = task_budget(parse_budget("latency=3.5"), LAYERS, OPTIONS, tables=tables)
    shares = [[0.0, 0.4, 0.8, 2.0], [0.0, 0.4, 0.8, 2.0], [0.0, 0.2, 0.4, 1.0], [0.5, 0.25, 0.75, 0.25]]
    assert budget.cost == pytest.approx(np.array(shares))
    assert (budget.name, budget.limit, budget.words(3.5)) == ("latency", 3.5, "3.5 latency")


def test_a_share_of_a_table_is_of_the_dearest_option_of_every_layer() -> None:
    tables = table(0.0, 1.0, 2.0, 5.0, 0.5, 0.25, 0.75, 0.25)
    budget = task_budget(parse_budget("latency=40%"), LAYERS, OPTIONS, tables=tables)
    assert budget.limit == pytest.approx(0.4 * 5.75)
    assert budget.amount(budget.limit) == pytest.approx(0.4)
    assert budget.words(budget.limit) == "40 % of the dearest latency"


def test_a_table_that_is_not_given_is_asked_for() -> None:
    with pytest.raises(OptionError, match=r"no table 'latency'; give one with --table latency=FILE.csv"):
        task_budget(parse_budget("latency=3"), LAYERS, OPTIONS)
    with pytest.raises(OptionError, match="no table 'latenci'; did you mean 'latency'"):
        task_budget(parse_budget("latenci=3"), LAYERS, OPTIONS, tables=table(*[1.0] * 8))


def test_multiply_accumulates_are_not_linear() -> None:
    with pytest.raises(OptionError, match="budget '60%macs' is not linear"):
        task_budget(parse_budget("60%macs"), LAYERS, OPTIONS, macs=MACS)


def test_a_table_of_zeros_is_refused() -> None:
    with pytest.raises(OptionError, match="no cost above zero"):
        task_budget(parse_budget("latency=40%"), LAYERS, OPTIONS, tables=table(*[0.0] * 8))


def test_a_table_that_lacks_an_option_is_refused() -> None:
    tables = table(*[1.0] * 8)
    with pytest.raises(FileFormatError, match=r"latency.csv: has no cost of the layer 'conv' at the option 8"):
        task_budget(parse_budget("latency=3"), LAYERS, [*OPTIONS, Option(8)], tables=tables)
