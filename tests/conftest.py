"""Shared by all tests."""

from __future__ import annotations

import os
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
