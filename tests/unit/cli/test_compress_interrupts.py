"""`qubo-dnn compress` ended early: by Ctrl-C, or killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from safetensors import safe_open

Line = Callable[..., list[str]]
FILES = {"model.safetensors", "plan.json", "result.json"}


def running(arguments: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "qubo_dnn.cli.main", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Until `condition` holds, a minute at most."""
    for _ in range(3000):
        if condition():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.kill()
    raise AssertionError("it never happened")


def test_ctrl_c_while_measuring_leaves_no_result(folder: Path, line: Line) -> None:
    before = set(os.listdir(folder))
    process = running(line(network="mine:slow"))
    wait_for((folder / "measuring").exists, process)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert said.splitlines()[-1] == "interrupted"
    assert "Traceback" not in said
    assert set(os.listdir(folder)) - before <= {"__pycache__", "measuring", "out.measured"}


def test_ctrl_c_while_solving_ends_with_the_best_so_far(folder: Path, line: Line) -> None:
    process = running(line("--backend", "neal", "--time-limit", "50", "--json"))
    assert process.stderr is not None
    for text in process.stderr:
        if text.startswith("tune"):
            break
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=45)
    assert process.returncode == 0, said
    result = json.loads(out)
    assert result["interrupted"] is True
    assert result["budgets"][0]["used"] <= result["budgets"][0]["limit"]
    assert len(result["rounds"]) == 1
    assert set(os.listdir(folder / "out")) == FILES


def test_a_measurement_goes_on_where_it_was_killed(folder: Path, line: Line) -> None:
    """120 images in several batches; so many probes that a batch alone is worth saving."""

    def words(out: str) -> list[str]:
        return line("--probes", "40", "--rounds", "1", "--out", out, network="mine:slow", calibration="many.npz")

    log, saved = folder / "measuring", folder / "out.measured" / "given.safetensors"
    whole = running(words("other"))
    assert whole.wait(timeout=120) == 0, whole.communicate()
    calls = len(log.read_text())
    log.unlink()

    killed = running(words("out"))
    wait_for(saved.exists, killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    assert not (folder / "out").exists()
    with safe_open(saved, framework="np") as file:
        done = int(file.metadata()["images"])
    assert 0 < done < 120
    log.unlink()

    again = running(words("out"))
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert "measure (120 of 120): " in said
    assert len(log.read_text()) < calls
    assert not saved.parent.exists()
    for name in ("plan.json", "model.safetensors"):
        assert (folder / "out" / name).read_bytes() == (folder / "other" / name).read_bytes()
