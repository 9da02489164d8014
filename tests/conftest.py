"""Shared by all tests."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.remote.service import StandIn

# Spinning OpenMP threads make a loaded machine many times slower; read when torch is first imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
# Networks here are so small that threads would wait for each other four fifths of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
pytest.register_assert_rewrite("qubo_dnn.testing")
# A test asserts no time, and neither does the tool that draws its cases: machines are busy.
hypothesis.settings.register_profile("no clock", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("no clock")


def pytest_configure(config: pytest.Config) -> None:
    """Draw fewer random cases where the tests marked slow are left out."""
    from tests.drawn import QUICK

    if "not slow" in config.option.markexpr:
        os.environ[QUICK] = "1"


def pytest_runtest_setup() -> None:
    """Give pytest's log handlers new locks.

    A Ctrl-C of an earlier test may have met the main thread right after it took one. It would not notice, but threads
    that log would wait for ever, such as the one in which Dask runs.
    """
    for handler in logging.getLogger().handlers:
        handler.createLock()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument, not by their content: that of a gzip archive holds the time it was made at.

    Workers refuse to run tests whose ids differ between them. Pytest numbers ids that are equal.
    """
    return argname if isinstance(val, bytes) else None


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the kernels before several workers start, each of which would compile them all.

    Not for single files, which may need none of them.
    """
    config = session.config
    several = (config.getoption("numprocesses", None) or 0) > 1 and not hasattr(config, "workerinput")
    if not several or config.option.collectonly or not all(map(os.path.isdir, config.args)) or not _is_cold():
        return
    print("compiling the kernels before the workers start", flush=True)
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "qubo_dnn.cli.main", "compile-kernels"]
    if subprocess.run(command, cwd=config.rootpath, env=own, check=False).returncode:
        pytest.exit("compiling the kernels failed", returncode=1)
    # The folder is not there yet where Python is told to write no bytecode.
    _COMPILED.parent.mkdir(exist_ok=True)
    _COMPILED.touch()


_BACKENDS = Path(__file__).parents[1] / "backends" / "qubo_backends"
# Written when the kernels are compiled; `make clean` removes it, together with them.
_COMPILED = _BACKENDS / "__pycache__" / "compiled-kernels"


def _is_cold() -> bool:
    """Return whether a source of kernels was changed since they were compiled last."""
    sources = [*(_BACKENDS / "_shared").glob("*.py"), *(_BACKENDS / "_pt").rglob("*.py")]
    return not _COMPILED.exists() or _COMPILED.stat().st_mtime < max(each.stat().st_mtime for each in sources)


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
