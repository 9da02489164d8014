"""Every installed backend satisfies the contract."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from qubo_dnn.backend import Backend
from qubo_dnn.errors import BackendUnavailableError
from qubo_dnn.registry import get_backend, list_backends
from qubo_dnn.testing.backends import BACKEND_CASES
from tests.conformance.brief import brief


def installed(name: str, make: Callable[[str], Backend] = get_backend) -> Backend:
    try:
        return make(name)
    except BackendUnavailableError as cause:
        pytest.skip(str(cause))


@pytest.mark.parametrize("name", list_backends())
def test_registered_under_its_own_name(name: str) -> None:
    assert installed(name).name == name


# Cases that run a backend many times over, and look at no quality.
BRIEF = frozenset(
    {
        "ctrl_c_is_passed_on",
        "order_of_variables_does_not_matter",
        "own_options_have_an_effect",
        "seed_reproduces",
        "seed_reproduces_in_another_process",
        "seeds_differ",
    }
)
# Cases of seconds; other backends have the same ones.
SLOW = {
    *itertools.product(("dwave-hybrid", "dwave-hybrid-cqm"), ("both_vartypes", "num_reads_is_honoured")),
    *itertools.product(("dwave-hybrid", "dwave-hybrid-cqm", "qaoa"), ("biases_have_their_weights",)),
    *itertools.product(("qaoa",), ("both_vartypes", "num_reads_is_honoured", "own_options_have_an_effect")),
    *itertools.product(("dwave-qpu", "qaoa"), ("ctrl_c_is_passed_on", "time_limit_is_kept")),
    *itertools.product(("reinforcement",), ("biases_have_their_weights", "low_energies_are_found")),
    ("dwave-hybrid-cqm", "native_constraints_are_kept"),
}


def cases() -> list[Any]:
    """Every case of every backend."""
    pairs = itertools.product(list_backends(), BACKEND_CASES)
    return [pytest.param(*pair, marks=pytest.mark.slow if pair in SLOW else ()) for pair in pairs]


@pytest.mark.parametrize(("name", "case"), cases())
def test_conformance(name: str, case: str, request: pytest.FixtureRequest) -> None:
    backend = installed(name, brief if case in BRIEF else get_backend)
    if backend.capabilities.remote:
        request.getfixturevalue("stand_in")
    BACKEND_CASES[case](backend)
