"""Whatever the service does, a command ends with one readable line and the exit code of what went wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qubo_dnn.cli.main import main
from tests.remote.service import TOKEN, Fault, StandIn

pytestmark = pytest.mark.slow

AUTHENTICATION, SOLVER, UNREACHABLE, QUOTA, SERVICE, ANSWER, TIME, CANCELLED, FAILED = 17, 18, 19, 20, 21, 22, 23, 24, 8
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs a solve in a folder of its own; gives exit code and standard error; the token is nowhere."""

    def run(backend: str, *options: str) -> tuple[int, str]:
        code = main(["solve", "max-cut", "--backend", backend, "--json", str(tmp_path / "result.json"), *options])
        printed = capfd.readouterr()
        written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert TOKEN not in printed.out + printed.err
        assert TOKEN.encode() not in written
        complaints = [line for line in printed.err.splitlines() if not line.startswith(("load:", "solve"))]
        assert "Traceback" not in printed.err
        if code:
            assert len(complaints) == 1, printed.err
            assert complaints[0].startswith("error: ")
        return code, printed.err

    return run


QPU, BQM, CQM = "dwave-qpu", "dwave-hybrid", "dwave-hybrid-cqm"
# The backend shares its calls of the service with the other hybrid one.


@pytest.mark.parametrize("backend", [QPU, BQM, CQM])
@pytest.mark.parametrize(
    ("step", "fault", "code"),
    [
        ("solvers", 402, QUOTA),
        ("solvers", 429, QUOTA),
        ("solvers", 500, SERVICE),
        ("solvers", "drop", UNREACHABLE),
        ("solvers", "garbage", ANSWER),
        ("solvers", "odd", ANSWER),
        ("submit", 402, QUOTA),
        ("submit", 429, QUOTA),
        ("submit", 401, AUTHENTICATION),
        ("submit", 500, SERVICE),
        ("submit", 503, SERVICE),
        ("submit", "drop", UNREACHABLE),
        ("submit", "garbage", ANSWER),
        ("submit", "odd", ANSWER),
        ("answer", 500, SERVICE),
        ("answer", 502, SERVICE),
        ("answer", "drop", UNREACHABLE),
        ("answer", "garbage", ANSWER),
        ("answer", "odd", ANSWER),
        ("run", "FAILED", FAILED),
        ("run", "CANCELLED", CANCELLED),
    ],
)
def test_a_fault_has_its_line_and_its_exit_code(
    stand_in: StandIn, command: Command, backend: str, step: str, fault: Fault, code: int
) -> None:
    stand_in.faults[step] = fault
    found, text = command(backend)
    assert found == code, text
    assert stand_in.struck[step] or step == "run"


@pytest.mark.parametrize(
    ("fault", "code"),
    # The client polls on through faults of the service, until the time is over.
    [(402, QUOTA), (500, TIME), (502, TIME), ("garbage", ANSWER)],
)
def test_a_fault_while_polling(stand_in: StandIn, command: Command, fault: Fault, code: int) -> None:
    stand_in.delay = 600.0
    stand_in.faults["poll"] = fault
    # Unlike a time limit, this one is not over before a slow machine has submitted the problem.
    found, text = command(QPU, "-o", f"queue_limit={1.5 if code == TIME else 300}")
    assert found == code, text
    assert stand_in.cancelled == list(stand_in.problems)


@pytest.mark.parametrize("step", ["upload", "part", "status", "combine"])
@pytest.mark.parametrize(("fault", "code"), [(402, QUOTA), (500, SERVICE), ("drop", UNREACHABLE)])
def test_a_fault_while_uploading(
    stand_in: StandIn, command: Command, monkeypatch: pytest.MonkeyPatch, step: str, fault: Fault, code: int
) -> None:
    # The client tries again after 2, 4, ... seconds.
    monkeypatch.setattr("dwave.cloud.utils.decorators.time.sleep", lambda _: None)
    stand_in.faults[step] = fault
    found, text = command(BQM)
    # The client hides what went wrong when it asked for the status.
    assert found == (SERVICE if step == "status" else code), text
    assert "could not be uploaded" in text


@pytest.mark.parametrize(("step", "fault"), [("poll", 502), ("part", 500), ("upload", 500)])
def test_a_fault_that_passes_is_survived(
    stand_in: StandIn, command: Command, monkeypatch: pytest.MonkeyPatch, step: str, fault: Fault
) -> None:
    monkeypatch.setattr("dwave.cloud.utils.decorators.time.sleep", lambda _: None)
    stand_in.delay = 0.1
    stand_in.faults[step], stand_in.times[step] = fault, 1
    assert command(BQM)[0] == 0
    assert stand_in.struck[step] == 1


@pytest.mark.parametrize("backend", [QPU, BQM, CQM])
def test_a_bad_token(stand_in: StandIn, command: Command, monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.setenv("DWAVE_API_TOKEN", TOKEN[:-1])
    assert command(backend)[0] == AUTHENTICATION
    assert stand_in.requests


@pytest.mark.parametrize("backend", [QPU, BQM, CQM])
def test_no_token(stand_in: StandIn, command: Command, monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.delenv("DWAVE_API_TOKEN")
    code, text = command(backend)
    assert (code, stand_in.requests) == (AUTHENTICATION, [])
    assert "DWAVE_API_TOKEN" in text


@pytest.mark.parametrize("backend", [f"{QPU}:Advantage9", f"{BQM}:none", f"{CQM}:none"])
def test_an_unknown_solver(stand_in: StandIn, command: Command, backend: str) -> None:
    assert command(backend)[0] == SOLVER
    assert stand_in.submitted == []


def test_a_refused_port(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dwave.conf").write_text("[defaults]\nhttp_retry_total = 1\n")
    monkeypatch.setenv("DWAVE_CONFIG_FILE", str(tmp_path / "dwave.conf"))
    monkeypatch.setenv("DWAVE_API_ENDPOINT", "http://127.0.0.1:9/sapi/v2/")
    monkeypatch.setenv("DWAVE_API_TOKEN", "DEV-none")
    assert command(QPU)[0] == UNREACHABLE


def test_a_configuration_that_cannot_be_read(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dwave.conf").write_text("no section\n")
    monkeypatch.setenv("DWAVE_CONFIG_FILE", str(tmp_path / "dwave.conf"))
    assert command(QPU)[0] == 3


@pytest.mark.parametrize("backend", [QPU, BQM, CQM])
def test_a_stuck_problem_is_cancelled_at_the_limit(stand_in: StandIn, command: Command, backend: str) -> None:
    stand_in.faults["run"] = "stuck"
    limit = ("--time-limit", "4") if backend == QPU else ("-o", "queue_limit=2")
    code, text = command(backend, *limit)
    assert code == TIME, text
    assert stand_in.cancelled == list(stand_in.problems)
    assert len(stand_in.cancelled) == 1


def test_where_cancelling_fails_too_the_first_fault_is_told(stand_in: StandIn, command: Command) -> None:
    stand_in.faults |= {"run": "stuck", "cancel": 500}
    code, text = command(QPU, "-o", "queue_limit=1")
    assert code == TIME, text
    assert stand_in.struck["cancel"] == 1
    stand_in.problems.clear()


@pytest.mark.parametrize("backend", [QPU, BQM, CQM])
def test_ctrl_c_cancels_the_problem(stand_in: StandIn, backend: str, tmp_path: Path) -> None:
    stand_in.faults["run"] = "stuck"
    program = [sys.executable, "-m", "qubo_dnn.cli.main", "solve", "max-cut", "--backend", backend]
    running = subprocess.Popen(program, cwd=tmp_path, env=os.environ, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 600
    while not stand_in.problems:
        assert time.monotonic() < until, "no problem was submitted"
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    error = running.communicate(timeout=600)[1]
    assert running.returncode in (8, 130), error
    assert "Traceback" not in error
    assert "interrupted" in error
    assert stand_in.cancelled == list(stand_in.problems)
    assert TOKEN not in error


def test_doctor_says_what_is_there_and_asks_only_when_told(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def states(*options: str) -> dict[str, str]:
        assert main(["backends", "doctor", *options]) == 0
        printed = capfd.readouterr()
        assert TOKEN not in printed.out + printed.err
        return {line.split()[0]: line for line in printed.out.splitlines() if line.strip()}

    assert "ok: a token, configuration " in states()[QPU]
    assert stand_in.requests == []
    live = states("--live")
    assert "Advantage_system6.4 answers" in live[QPU]
    assert "hybrid_cqm_solver answers" in live[CQM]
    monkeypatch.setenv("DWAVE_API_TOKEN", "DEV-wrong")
    assert "does not accept the API token" in states("--live")[QPU]
    monkeypatch.delenv("DWAVE_API_TOKEN")
    assert "no API token" in states()[QPU]
