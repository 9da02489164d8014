"""Every installed formulation satisfies the contract."""

from __future__ import annotations

import pytest

from qubo_dnn.registry import formulation_names, get_formulation
from qubo_dnn.testing.formulations import FORMULATION_CASES


@pytest.mark.parametrize("name", formulation_names())
def test_registered_under_its_own_name(name: str) -> None:
    assert get_formulation(name).name == name


@pytest.mark.parametrize("name", formulation_names())
@pytest.mark.parametrize("case", FORMULATION_CASES)
def test_conformance(name: str, case: str) -> None:
    FORMULATION_CASES[case](get_formulation(name))
