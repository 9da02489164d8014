from __future__ import annotations

from fractions import Fraction

import pytest

from qubo_dnn.compression.task.budget_ranges import MOST_BUDGETS, parse_budgets
from qubo_dnn.compression.task.budgets import parse_budget
from qubo_dnn.errors import OptionError


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2bits:4bits:0.5bits", ["2bits", "2.5bits", "3bits", "3.5bits", "4bits"]),
        ("2bits:3bits:0.4bits", ["2bits", "2.4bits", "2.8bits"]),
        ("3bits:3bits:1bits", ["3bits"]),
        (" 2 bits : 3bits : 1bits ", ["2 bits", "3 bits"]),
        ("2bits:3bits:1bits:weights", ["2bits:weights", "3bits:weights"]),
        ("2bits:weights", ["2bits:weights"]),
        ("200KB:1MB:400KB", ["200KB", "600KB", "1000KB"]),
        ("1KiB:2KiB:512B", ["1KiB", "1.5KiB", "2KiB"]),
        ("10%:20%:5%", ["10%", "15%", "20%"]),
        ("40%bops:60%bops:10%bops", ["40%bops", "50%bops", "60%bops"]),
        ("1GBOPs:1.5GBOPs:250MBOPs", ["1GBOPs", "1.25GBOPs", "1.5GBOPs"]),
        ("60%macs:70%macs:10%macs", ["60%macs", "70%macs"]),
        ("latency=40%:60%:10%", ["latency=40%", "latency=50%", "latency=60%"]),
        ("latency=1.5:latency=2:0.25", ["latency=1.5", "latency=1.75", "latency=2"]),
        ("2bits,3bits,100KB", ["2bits", "3bits", "100KB"]),
        ("2bits:3bits:0.5bits,3bits,3.0bits,5bits", ["2bits", "2.5bits", "3bits", "5bits"]),
        ("3bits,3bits:weights", ["3bits", "3bits:weights"]),
    ],
)
def test_ranges_and_lists(text: str, written: list[str]) -> None:
    budgets = parse_budgets(text)
    assert [budget.text for budget in budgets] == written
    for budget in budgets:
        again = parse_budget(budget.text)
        assert (again.name, again.kind, again.limit, again.whole) == (
            budget.name,
            budget.kind,
            budget.limit,
            budget.whole,
        )


def test_steps_do_not_add_up_errors() -> None:
    budgets = parse_budgets("0.1bits:10bits:0.1bits")
    assert [budget.limit for budget in budgets] == [Fraction(n, 10) for n in range(1, 101)]
    assert (budgets[2].text, budgets[99].text) == ("0.3bits", "10bits")


def test_several_texts_are_one_list() -> None:
    assert parse_budgets(["2bits:3bits:1bits", "4bits"]) == parse_budgets("2bits:3bits:1bits,4bits")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2bits:4bits", "is not a range FIRST:LAST:STEP"),
        ("2bits:4bits:1bits:1bits", "is not a range"),
        ("4bits:2bits:1bits", "is empty: it begins above its end"),
        ("2bits:4bits:0bits", "'0bits' is not a positive amount"),
        ("2bits:4bits:-1bits", "is not a positive amount"),
        ("2bits:400KB:1bits", "have units of different kinds"),
        ("40%bops:60%macs:10%bops", "have units of different kinds"),
        ("a=1:b=2:a=1", "have units of different kinds"),
        ("2:4:1", "'2' is not a positive amount"),
        ("", "'' is not a positive amount"),
        ("2bits,", "is not a positive amount"),
        ("2bits,60%macs", "limit different quantities, size and macs"),
        ("latency=1,energy=1", "limit different quantities, latency and energy"),
        ("1bits:2bits:0.0001bits", f"makes more than {MOST_BUDGETS:,} budgets"),
        ("1B:1TB:1B", "is not a positive amount"),
        ("1B:1GB:1B", "makes more than"),
    ],
)
def test_refused(text: str, said: str) -> None:
    with pytest.raises(OptionError, match=said.replace("(", r"\(")):
        parse_budgets(text)


def test_no_texts() -> None:
    with pytest.raises(OptionError, match="no budgets"):
        parse_budgets([])


def test_many_short_ranges() -> None:
    with pytest.raises(OptionError, match="makes more than"):
        parse_budgets("1B:900B:1B,1001B:1900B:1B")
