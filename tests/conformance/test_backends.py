"""Every installed backend satisfies the contract."""

from __future__ import annotations

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


@pytest.mark.parametrize("name", backend_names())
@pytest.mark.parametrize("case", BACKEND_CASES)
def test_conformance(name: str, case: str, request: pytest.FixtureRequest) -> None:
    backend = installed(name)
    if backend.capabilities.remote:
        request.getfixturevalue("stand_in")
    BACKEND_CASES[case](backend)
