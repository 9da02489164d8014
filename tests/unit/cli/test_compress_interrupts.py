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

import pytest
from safetensors import safe_open

from qubo_dnn.cli.main import main
from tests.pages import check_figures, checked_page

Line = Callable[..., list[str]]
FILES = {"model.safetensors", "plan.json", "result.json"}


# Only a run that hangs takes so long, on however busy a machine.
MOST = 600
# Says when the backend begins to hold Ctrl-C back; before that, there is no best so far.
TELLING = """
import sys
from qubo_backends._shared.sampling import InterruptGuard
from qubo_dnn.cli.main import run

def enter(self, enter=InterruptGuard.__enter__):
    watch = enter(self)
    print("sampling", file=sys.stderr, flush=True)
    return watch

InterruptGuard.__enter__ = enter
run()
"""


def running(arguments: list[str], program: tuple[str, str] = ("-m", "qubo_dnn.cli.main")) -> subprocess.Popen[str]:
    command = [sys.executable, *program, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + MOST
    while not condition():
        assert process.poll() is None, process.communicate()
        if time.monotonic() > until:
            process.kill()
            raise AssertionError("it never happened")
        time.sleep(0.02)


def test_ctrl_c_while_measuring_leaves_no_result(folder: Path, line: Line) -> None:
    (folder / "hold").write_text("measuring")
    before = set(os.listdir(folder))
    process = running(line(network="mine:slow"))
    wait_for((folder / "measuring").exists, process)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=MOST)
    assert (process.returncode, out) == (130, "")
    assert said.splitlines()[-1] == "interrupted"
    assert "Traceback" not in said
    assert set(os.listdir(folder)) - before <= {"__pycache__", "measuring", "out.measured"}


@pytest.mark.slow
def test_ctrl_c_while_solving_ends_with_the_best_so_far(folder: Path, line: Line) -> None:
    words = line("--backend", "neal", "--time-limit", str(MOST), "--json", "--report", "page.html")
    process = running(words, ("-c", TELLING))
    assert process.stderr is not None
    for text in process.stderr:
        if text == "sampling\n":
            break
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=MOST)
    assert process.returncode == 0, said
    result = json.loads(out)
    assert result["interrupted"] is True
    assert result["budgets"][0]["used"] <= result["budgets"][0]["limit"]
    assert len(result["rounds"]) == 1
    assert set(os.listdir(folder / "out")) == FILES
    assert "The run was interrupted; this is the best network until then." in checked_page(folder / "page.html").text
    assert {"widths", "channels", "shares", "couplings", "tried", "stages"} <= set(check_figures(folder / "page.html"))


@pytest.mark.slow
def test_a_measurement_goes_on_where_it_was_killed(
    folder: Path, line: Line, capsys: pytest.CaptureFixture[str]
) -> None:
    """120 images in several batches; so many probes that a batch alone is worth saving."""

    def words(out: str) -> list[str]:
        more = ("--probes", "40", "--rounds", "1", "--backend", "neal", "--out", out)
        return line(*more, network="mine:slow", calibration="many.npz")

    log, saved = folder / "measuring", folder / "out.measured" / "given.safetensors"
    assert main(words("other")) == 0
    calls = len(log.read_text())
    log.unlink()

    (folder / "hold").write_text(str(saved))
    killed = running(words("out"))
    wait_for(saved.exists, killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=MOST)
    (folder / "hold").unlink()
    assert not (folder / "out").exists()
    with safe_open(saved, framework="np") as file:
        done = int(file.metadata()["images"])
    assert 0 < done < 120
    log.unlink()

    capsys.readouterr()
    assert main([*words("out"), "--report", "page.html"]) == 0
    assert "measure (120 of 120): " in capsys.readouterr().err
    said = (
        f"This run was resumed: {done} of 120 samples of the measurement in given.safetensors are from an earlier run."
    )
    assert said in checked_page(folder / "page.html").text
    assert {"widths", "channels", "shares", "couplings", "tried", "stages"} <= set(check_figures(folder / "page.html"))
    assert len(log.read_text()) < calls
    assert not saved.parent.exists()
    for name in ("plan.json", "model.safetensors"):
        assert (folder / "out" / name).read_bytes() == (folder / "other" / name).read_bytes()
