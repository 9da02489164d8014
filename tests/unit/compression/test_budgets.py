from __future__ import annotations

import pytest

from qubo_dnn.compression.budgets import parse_budget
from qubo_dnn.errors import OptionError


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
