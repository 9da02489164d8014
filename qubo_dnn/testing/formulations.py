"""Conformance kit for formulations: cases that every formulation must pass, on small instances with enumeration.

    from qubo_dnn.testing.formulations import FORMULATION_CASES

    @pytest.mark.parametrize("case", FORMULATION_CASES)
    def test_conformance(case):
        FORMULATION_CASES[case](MyFormulation)

A case raises `AssertionError`, whose text names the fault, if the formulation breaks the contract. It raises
`NotApplicable`, which pytest and unittest report as a skip, if it does not apply to the formulation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from qubo_dnn.formulation import Formulation
from qubo_dnn.testing.common import NotApplicable, expect
from qubo_dnn.testing.formulation_cases import brute_force, decoding, penalties, reproducibility
from qubo_dnn.testing.formulation_cases.enumeration import RELATIVE_TOLERANCE, instances

Case = Callable[[type[Formulation[Any]]], None]


def check_formulation(cls: type[Formulation[Any]]) -> dict[str, str]:
    """Run all cases.

    Args:
        cls: formulation class to check.

    Returns:
        Case that does not apply -> the reason.

    Raises:
        AssertionError: the formulation breaks the contract.

    Example:
        >>> check_formulation(object)
        Traceback (most recent call last):
        AssertionError: name is None, not a word
    """
    not_applicable = {}
    for name, case in FORMULATION_CASES.items():
        try:
            case(cls)
        except NotApplicable as reason:
            not_applicable[name] = str(reason)
    return not_applicable


def describes_itself(cls: type[Formulation[Any]]) -> None:
    """The name is a word for a command line, and the summary is one line.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> describes_itself(get_formulation("number-partitioning"))
    """
    name, summary = getattr(cls, "name", None), getattr(cls, "summary", None)
    expect(isinstance(name, str) and name and name == "".join(name.split()), f"name is {name!r}, not a word")
    expect(isinstance(summary, str) and summary.strip(), f"summary is {summary!r}, not a text")
    expect("\n" not in str(summary), "summary has more than one line")
    for method in ("example", "compile", "cost"):
        expect(callable(getattr(cls, method, None)), f"the method {method!r} is missing")


def example_is_small_and_not_trivial(cls: type[Formulation[Any]]) -> None:
    """Examples can be enumerated and have feasible states with different objectives.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> example_is_small_and_not_trivial(get_formulation("number-partitioning"))
    """
    for instance in instances(cls):
        expect(instance.feasible.any(), "the example has no feasible state")
        values = instance.energies(instance.problem.objective)[instance.feasible]
        expect(float(np.ptp(values)) > RELATIVE_TOLERANCE * instance.scale, "all feasible states cost the same")


FORMULATION_CASES: Mapping[str, Case] = {
    case.__name__: case
    for case in (
        *(describes_itself, example_is_small_and_not_trivial),
        *(*reproducibility.CASES, *decoding.CASES, *penalties.CASES, *brute_force.CASES),
    )
}
