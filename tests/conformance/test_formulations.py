"""Every installed formulation satisfies the contract."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from qubo_dnn.registry import get_formulation, list_formulations
from qubo_dnn.testing.formulations import FORMULATION_CASES


@pytest.mark.parametrize("name", list_formulations())
def test_registered_under_its_own_name(name: str) -> None:
    assert get_formulation(name).name == name


# The case that takes half of the time; in haste, formulations with each kind of constraint stand for all.
SLOW = "cqm_agrees"
QUICK = frozenset({"graph-coloring", "knapsack", "max-cut", "portfolio-selection"})


def cases() -> list[Any]:
    """Every case of every formulation."""
    return [
        pytest.param(case, name, marks=pytest.mark.slow if case == SLOW and name not in QUICK else ())
        for case, name in itertools.product(FORMULATION_CASES, list_formulations())
    ]


@pytest.mark.parametrize(("case", "name"), cases())
def test_conformance(case: str, name: str) -> None:
    FORMULATION_CASES[case](get_formulation(name))
