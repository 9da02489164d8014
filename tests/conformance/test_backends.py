"""Every installed backend satisfies the contract."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from qubo_dnn.backend import Backend
from qubo_dnn.errors import BackendUnavailableError
from qubo_dnn.registry import backend_names, get_backend
from qubo_dnn.testing.backends import BACKEND_CASES


def installed(name: str) -> Backend:
    try:
        return get_backend(name)
    except BackendUnavailableError as cause:
        pytest.skip(str(cause))


@pytest.mark.parametrize("name", backend_names())
def test_registered_under_its_own_name(name: str) -> None:
    assert installed(name).name == name


def cases() -> list[Any]:
    """Every case of every backend; some take ten seconds and more, for they search many times over."""
    slow = itertools.product(("genetic", "reinforcement"), ("own_options_have_an_effect", "ctrl_c_is_passed_on"))
    marks = dict.fromkeys(slow, pytest.mark.slow)
    pairs = itertools.product(backend_names(), BACKEND_CASES)
    return [pytest.param(*pair, marks=marks.get(pair, ())) for pair in pairs]


@pytest.mark.parametrize(("name", "case"), cases())
def test_conformance(name: str, case: str, request: pytest.FixtureRequest) -> None:
    backend = installed(name)
    if backend.capabilities.remote:
        request.getfixturevalue("stand_in")
    BACKEND_CASES[case](backend)
