import pytest

from qubo_dnn.compression.costs import layer_bytes, parse_budget, stored_bits
from qubo_dnn.compression.plan import LayerPlan
from qubo_dnn.errors import OptionError


def test_a_unit_costs_its_width_code_its_scales_and_its_weights() -> None:
    assert stored_bits(weights_per_channel=9, channels=2, bits=3) == 4 + 2 * (8 + 4 + 27)


def test_a_pruned_unit_costs_its_width_code() -> None:
    assert stored_bits(weights_per_channel=9, channels=2, bits=0) == 4


def test_a_layer_adds_its_base_and_padding() -> None:
    # Units of 2, 2 and 1 channels with 5 weights each: 32 + (4 + 2 * 22) + 4 + (4 + 52) = 140 bits.
    assert layer_bytes(LayerPlan(2, (2, 0, 8)), channels=5, weights_per_channel=5) == 18


@pytest.mark.parametrize(
    ("text", "kind", "limit"),
    [
        ("3bits", "bits", 3000),
        ("1 bit", "bits", 1000),
        ("2.5bits", "bits", 2500),
        (".0015 bits", "bits", 1),
        ("25%", "fraction", 8000),
        ("12.5 %", "fraction", 4000),
        ("150%", "fraction", 48000),
        ("200KB", "bytes", 1_600_000),
        ("200kb", "bytes", 1_600_000),
        ("1.5KiB", "bytes", 12288),
        ("7B", "bytes", 56),
        ("2MB", "bytes", 16_000_000),
        ("1MiB", "bytes", 8 * 2**20),
    ],
)
def test_budget_forms(text: str, kind: str, limit: int) -> None:
    budget = parse_budget(text, 1000)
    assert (budget.kind, budget.limit_bits, budget.text) == (kind, limit, text)


@pytest.mark.parametrize(
    "text", ["", "3", "bits", "0bits", "0.0%", "-3bits", "nan bits", "infbits", "1e3bits", "3 bytes", "25 percent", "."]
)
def test_other_budgets_are_refused_with_the_three_forms(text: str) -> None:
    with pytest.raises(OptionError, match=r"3bits .*25% .*200KB"):
        parse_budget(text, 1000)
