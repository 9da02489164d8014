"""Shared by all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.remote.service import StandIn

# Spinning OpenMP threads make a loaded machine many times slower; read when torch is first imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
pytest.register_assert_rewrite("qubo_dnn.testing")
# A test asserts no time, and neither does the tool that draws its cases: machines are busy.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument, not by their content: that of a gzip archive holds the time it was made at.

    Workers refuse to run tests whose ids differ between them. Pytest numbers ids that are equal.
    """
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let SIGINT interrupt, as tests of Ctrl-C need it: jobs in the background of a script start with it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandIn]:
    """A stand-in for D-Wave's service, which the client is configured for."""
    from tests.remote.service import TOKEN, StandIn

    with StandIn() as service:
        monkeypatch.setenv("DWAVE_CONFIG_FILE", str(tmp_path / "dwave.conf"))
        (tmp_path / "dwave.conf").write_text("[defaults]\nhttp_retry_total = 1\n")
        monkeypatch.setenv("DWAVE_API_ENDPOINT", service.endpoint)
        monkeypatch.setenv("DWAVE_API_TOKEN", TOKEN)
        yield service
        assert service.running == []
