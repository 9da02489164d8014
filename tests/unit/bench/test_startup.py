"""CPU seconds of commands and of first answers, and their page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bench.startup import first_answer
from bench.startup.__main__ import StartupResults, commands, cpu_of, main
from qubo_dnn.errors import BackendFailedError

SPIN = "import os, time\nwhile time.process_time() < float(os.environ['SECONDS']): pass\nprint('done')"
RESULTS = {
    "settings": {"processor": "a processor"},
    "answers": [{"kind": "sparse", "empty_first": 2.04, "empty_last": 6.0, "first": 2.0, "last": 2.5}],
    "commands": [{"command": "`qubo-dnn --help`", "seconds": 0.25}],
    "threads": [{"model": "dense", "ratio": 1.9}],
}


def test_what_a_command_starts_counts() -> None:
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SPIN!r}], check=True)"
    seconds, printed = cpu_of([sys.executable, "-c", nested], {"SECONDS": "0.5"})
    assert 0.5 <= seconds < 5.0
    assert printed == "done\n"


def test_a_command_that_fails_is_no_measurement() -> None:
    with pytest.raises(BackendFailedError, match="no such file"):
        cpu_of([sys.executable, "-c", "raise SystemExit('no such file')"], {})


def test_the_commands_are_named_without_the_folder_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[str]] = []

    def fake(command: list[str], _environment: object) -> tuple[float, str]:
        given.append(command)
        return 1.0, ""

    monkeypatch.setattr("bench.startup.__main__.cpu_of", fake)
    rows = commands()
    assert rows[0]["command"] == "`qubo-dnn --help`"
    assert "--out" in given[1]
    assert "--out" not in rows[1]["command"]


def test_a_run_tells_its_first_answer_and_its_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["first_answer", "sparse"])
    first_answer.main()
    told = json.loads(capsys.readouterr().out)
    assert 0.0 < told["first"] < told["last"]


def test_the_page_has_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    (tmp_path / "remarks.md").write_text("A remark.")
    monkeypatch.setattr(sys, "argv", ["startup", "--out", str(tmp_path), "--report-only"])
    main()
    text = (tmp_path / "README.md").read_text()
    for part in ("| sparse | 2.0 | 6.0 | 2.0 | 2.5 |", "| `qubo-dnn --help` | 0.25 |", "| dense | 1.90 |", "A remark."):
        assert part in text
    assert StartupResults(**RESULTS).settings["processor"] in text  # type: ignore[arg-type]  # as read from the file
