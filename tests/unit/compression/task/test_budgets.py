from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from qubo_dnn.compression.task.budgets import TaskBudget, check_names, parse_budget
from qubo_dnn.errors import BudgetError, OptionError


@pytest.mark.parametrize(
    ("text", "name", "kind", "limit"),
    [
        ("3bits", "size", "bits", 3),
        ("1 bit", "size", "bits", 1),
        ("2.5bits", "size", "bits", Fraction(5, 2)),
        (".0015 bits", "size", "bits", Fraction(15, 10_000)),
        ("25%", "size", "fraction", Fraction(1, 4)),
        ("12.5 %", "size", "fraction", Fraction(1, 8)),
        ("150%", "size", "fraction", Fraction(3, 2)),
        ("200KB", "size", "bytes", 200_000),
        ("200kb", "size", "bytes", 200_000),
        ("1.5KiB", "size", "bytes", 1536),
        ("7B", "size", "bytes", 7),
        ("2MB", "size", "bytes", 2_000_000),
        ("1MiB", "size", "bytes", 2**20),
        ("3 GiB", "size", "bytes", 3 * 2**30),
        ("40%bops", "bops", "bops-fraction", Fraction(2, 5)),
        ("40 % BOPs", "bops", "bops-fraction", Fraction(2, 5)),
        ("1.2GBOPs", "bops", "bops", 1_200_000_000),
        ("350 MBOPs", "bops", "bops", 350_000_000),
        ("2kbops", "bops", "bops", 2000),
        ("1TBOPs", "bops", "bops", 10**12),
        ("77bops", "bops", "bops", 77),
        ("60%macs", "macs", "macs-fraction", Fraction(3, 5)),
        ("12.5 % MACs", "macs", "macs-fraction", Fraction(1, 8)),
        ("1.2GMACs", "macs", "macs", 1_200_000_000),
        ("900 kmacs", "macs", "macs", 900_000),
        ("latency=3.5", "latency", "table", Fraction(7, 2)),
        ("latency = 60 %", "latency", "table-fraction", Fraction(3, 5)),
        ("E_2-x=1.5e-3", "E_2-x", "table", Fraction(15, 10_000)),
    ],
)
def test_forms(text: str, name: str, kind: str, limit: Fraction) -> None:
    budget = parse_budget(text)
    assert (budget.name, budget.kind, budget.limit, budget.text) == (name, kind, limit, text)


NO_SIZE = "3;bits;0bits;0.0%;-3bits;nan bits;infbits;1e3bits;3 bytes;25 percent;.;3TB;"
NO_BOPS = "bops;0bops;0%bops;1GiBOPs;-1GBOPs;1e3bops;40%%bops;0%macs;macs;60macs%"
NO_TABLE = "latency=;=3;latency=0;latency=-1;latency=nan;latency=inf;latency=3ms;2x=3;a b=3;latency=1e999"


@pytest.mark.parametrize("text", ";".join([NO_SIZE, NO_BOPS, NO_TABLE]).split(";"))
def test_other_texts_are_refused_with_the_forms(text: str) -> None:
    with pytest.raises(
        OptionError, match=r"^budget .* 3bits .*25% .*200KB.*40%bops.*1.2GBOPs.*60%macs.*1.2GMACs.*NAME=AMOUNT.*NAME=P%"
    ):
        parse_budget(text)


@pytest.mark.parametrize("text", ["size=3", "bops=50%", "BOPs=1", "MACs=3"])
def test_a_table_cannot_have_the_name_of_another_budget(text: str) -> None:
    with pytest.raises(OptionError, match="cannot be the name of a table"):
        parse_budget(text)


def test_budgets_of_different_names_go_together() -> None:
    check_names([parse_budget(text) for text in ("3bits", "40%bops", "latency=3", "energy=50%")])


def test_two_budgets_of_a_name_are_refused() -> None:
    with pytest.raises(OptionError, match="the budgets 3bits and 200KB both limit size"):
        check_names([parse_budget(text) for text in ("3bits", "40%bops", "200KB")])
    with pytest.raises(OptionError, match="at least one budget"):
        check_names([])


def made(limit: float, kind: str = "bits", scale: float = 10.0, unit: str = "bits per weight") -> TaskBudget:
    """Two units of three options."""
    return TaskBudget(
        name="size",
        kind=kind,  # type: ignore[arg-type]  # a str for brevity
        text="3bits",
        cost=np.array([[1, 20, 30], [2, 40, 50]], np.int64),
        overhead=5.0,
        limit=limit,
        scale=scale,
        unit=unit,
    )


def test_what_a_choice_uses_is_its_costs_and_the_overhead() -> None:
    assert made(50).used(np.array([1, 0])) == 27.0
    assert made(50).amount(27.0) == 2.7
    assert made(50).words(27.0) == "2.7 bits per weight"
    assert made(50, "fraction", 100.0, "of the fp32 weights").words(27.0) == "27 % of the fp32 weights"


def test_a_limit_is_met_as_a_constraint_is() -> None:
    choice = np.array([1, 0])
    assert made(27.0).met(choice)
    assert made(27.0 - 1e-9).met(choice)
    assert not made(26.9999).met(choice)


def test_a_limit_out_of_reach_is_refused_with_what_can_be_reached() -> None:
    made(8.0).check_reachable()
    with pytest.raises(BudgetError, match=r"the budget 3bits cannot .* reach 0.8 bits per weight to 8.5 bits per"):
        made(7.9).check_reachable()


def test_only_allowed_options_count() -> None:
    allowed = np.array([[True, True, False], [False, True, True]])
    made(46.0).check_reachable(allowed)
    with pytest.raises(BudgetError, match=r"reach 4.6 bits per weight to 7.5 bits"):
        made(45.0).check_reachable(allowed)


def test_tied_units_cost_what_they_cost_together() -> None:
    tied = made(50).tied(np.array([0, 0]))
    assert tied.cost.tolist() == [[3, 60, 80]]
    assert tied.cost.dtype == np.int64
    assert (tied.limit, tied.overhead, tied.text) == (50, 5.0, "3bits")
    assert made(50).tied(np.array([1, 0])).cost.tolist() == [[2, 40, 50], [1, 20, 30]]
