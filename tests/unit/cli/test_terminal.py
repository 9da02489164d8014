"""What a terminal shows: bars, colours, and names that would be markup or commands."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from qubo_dnn import errors
from qubo_dnn.cli.common.console import print_layers
from qubo_dnn.cli.common.output import print_table
from qubo_dnn.cli.main import main
from qubo_dnn.console_reporter import ConsoleReporter, _Pace, is_watched
from qubo_dnn.solving.solution import BackendCall
from qubo_dnn.support.printable import printable
from qubo_dnn.support.progress_bars import ProgressBars

# Markup of rich, HTML, a name of a picture, an escape sequence, a line break, and letters from right to left.
NAMES = ("[red]", "<script>", ":bug:", "\x1b[31mred", "two\nlines", "\u202etfel")
SHOWN = ("[red]", "<script>", ":bug:", r"\x1b[31mred", r"two\nlines", r"\u202etfel")
COLOUR = re.compile(r"\x1b\[[\d;]*\b(3[0-7]|38|9[0-7])\b[\d;]*m")

STEPS = """
import time
from qubo_dnn.console_reporter import ConsoleReporter, is_watched

with ConsoleReporter({"solve": 30.0}) as reporter:
    reporter.stage("measure")
    for done in range(1, 4):
        reporter.progress(done, 1200)
        time.sleep(0.15)
    reporter.warning("a [red] layer \\x1b[31m")
    reporter.stage("solve")
    reporter.said("pt: [red] \\x1b[31m")
    time.sleep(0.3)
"""


def in_terminal(code: str, **environment: str) -> str:
    """What a program shows in a terminal of 120 columns."""
    reading, writing = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    given = {**kept, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40", **environment}
    running = subprocess.Popen([sys.executable, "-c", code], stdin=writing, stdout=writing, stderr=writing, env=given)
    os.close(writing)
    shown = b""
    try:
        while piece := os.read(reading, 65536):
            shown += piece
    except OSError:  # the program has ended
        pass
    os.close(reading)
    assert running.wait() == 0, shown
    return shown.decode()


def plain(shown: str) -> str:
    """The text without escape sequences."""
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown)


class TestBars:
    def test_a_terminal_shows_bars_with_the_remaining_time(self) -> None:
        shown = in_terminal(STEPS)
        text = plain(shown)
        assert COLOUR.search(shown)
        assert "3 of 1,200" in text
        measured, solved = (
            re.findall(rf"{name} [━╸╺ ]+ 0:00:0\d (\d+):\d\d left", text) for name in ("measure", "solve")
        )
        # 1,197 steps of 0.15 s and more are left; a stage with a time limit goes by the clock.
        assert measured
        assert 2 <= int(measured[-1]) <= 60
        assert solved
        assert set(solved) == {"0"}
        assert "pt: [red] \\x1b[31m" in text
        assert "warning: a [red] layer \\x1b[31m" in text
        assert "\x1b[31m\r" not in shown

    def test_a_program_that_imports_a_kernel_is_no_notebook(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kernels = pytest.importorskip("ipykernel.kernelapp")
        monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
        assert not is_watched()
        monkeypatch.setattr(kernels.IPKernelApp, "initialized", lambda: True)
        assert is_watched()

    def test_no_color_takes_the_colours_away(self) -> None:
        shown = in_terminal(STEPS, NO_COLOR="1")
        assert not COLOUR.search(shown)
        assert "3 of 1,200" in plain(shown)

    def test_a_terminal_that_cannot_draw_gets_lines(self) -> None:
        lines = in_terminal(STEPS, TERM="dumb").splitlines()
        assert [re.sub(r"\d+\.\d s", "", line) for line in lines] == [
            "warning: a [red] layer \\x1b[31m",
            "measure (3 of 1,200): ",
            "solve (pt: [red] \\x1b[31m): ",
        ]

    def test_a_log_gets_a_line_for_every_stage_and_item(self, capsys: pytest.CaptureFixture[str]) -> None:
        with ConsoleReporter() as reporter:
            reporter.stage("compare")
            reporter.item("pt, \x1b[31m", 0, 2)
            reporter.item("neal", 1, 2)
        first, second, last = capsys.readouterr().err.splitlines()
        assert (first, second) == (r"pt, \x1b[31m", "neal")
        assert last.startswith("compare (neal (2 of 2)): ")

    def test_items_are_notes_of_one_bar(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "100")
        with ConsoleReporter() as reporter:
            reporter.stage("compare")
            reporter.item("neal", 1, 2)
        assert "neal (2 of 2)" in capsys.readouterr().err

    def test_the_rest_takes_as_long_per_step_as_what_was_done_since_the_first_report(self) -> None:
        # A resumed measurement begins with 10 steps.
        pace = _Pace(done=10, total=100, since=5.0)
        assert pace.ends(10, 100, now=5.0) is None
        assert pace.ends(20, 100, now=15.0) == 15.0 + 80.0
        assert pace.ends(100, 100, now=95.0) == 95.0
        assert pace.ends(20, None, now=15.0) is None

    @pytest.mark.parametrize(
        ("reports", "bar"),
        [
            ([(1, 4), (2, 4)], (2, 4)),
            # Neither a total that grows nor the most calls of a backend says how long it will take.
            ([(1, 1), (2, 2)], (2, None)),
            ([(3, 4), (1, 8), (2, 8)], (2, 8)),
        ],
    )
    def test_a_bar_fills_where_the_total_is_known(
        self, reports: list[tuple[int, int]], bar: tuple[int, int | None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        monkeypatch.setenv("TERM", "xterm")
        reporter = ConsoleReporter()
        assert reporter._bars is not None
        reporter.stage("measure")
        for done, total in reports:
            reporter.progress(done, total)
        (task,) = reporter._bars.tasks
        assert (task.completed, task.total) == bar
        assert (task.fields["ends"] is None) == (bar[1] is None)
        reporter.stage("solve")
        reporter.backend_call(BackendCall(number=1, objective=2.0, seconds=1.0))
        assert reporter._bars.tasks[1].total is None

    def test_a_bar_with_a_time_limit_moves_by_the_clock(self) -> None:
        bars = ProgressBars()
        over, begun = (bars.begin("solve", limit) for limit in (1e-9, 1e9))
        list(bars.get_renderables())
        first, second = bars.tasks
        assert first.completed == first.total == 1e-9
        assert 0.0 < second.completed < second.total == 1e9  # type: ignore[operator]  # it has a total
        bars.finish(begun)
        bars.finish(over)
        assert bars.finished


class TestNames:
    def test_what_a_terminal_would_obey_is_escaped(self) -> None:
        assert tuple(map(printable, NAMES)) == SHOWN
        assert printable("Größe, 3 → 5 µs") == "Größe, 3 → 5 µs"

    def test_tables_show_names_as_they_are(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_table(NAMES, [NAMES, reversed(NAMES)])  # type: ignore[list-item]  # any iterable will do
        out = capsys.readouterr().out
        assert "\x1b" not in out
        lines = [line.split() for line in out.splitlines()]
        assert (lines[0], lines[2], lines[3]) == (list(SHOWN), list(SHOWN), list(reversed(SHOWN)))

    def test_a_terminal_shows_tables_so_too(self) -> None:
        code = f"from qubo_dnn.cli.common.output import print_table\nprint_table({NAMES!r}, [{NAMES!r}])"
        shown = in_terminal(code)
        assert "\x1b[31m" not in shown
        assert plain(shown).splitlines()[2].split() == list(SHOWN)

    def test_variables_in_what_solve_prints(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        biases = dict.fromkeys(NAMES, -1.0)
        Path("model.py").write_text(
            f"import dimod\ndef model():\n    return dimod.BinaryQuadraticModel({biases!r}, {{}}, 'BINARY')\n"
        )
        assert main(["solve", "model.py:model", "--backend", "exact"]) == 0
        printed = capsys.readouterr()
        assert "\x1b" not in printed.out + printed.err
        (value,) = (line for line in printed.out.splitlines() if line.startswith("value "))
        assert all(f"{name} 1" in value for name in SHOWN)

    def test_names_in_messages_of_compare(self, capsys: pytest.CaptureFixture[str]) -> None:
        code = main(["compare", "max-cut", "--backend", "pt:\x1b[31m=[red]"])
        assert code == errors.OptionError.exit_code
        said = capsys.readouterr().err
        assert r"\x1b[31m" in said
        assert "\x1b" not in said


NETWORK = f"""
from collections import OrderedDict

import torch
from torch import nn

def odd():
    torch.manual_seed(0)
    names = {NAMES!r}
    layers = [nn.Linear(6, 6) for _ in names]
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Sequential(OrderedDict(zip(names, layers))))
"""


def test_layers_in_what_compress_prints(folder: Path, line: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "odd.py").write_text(NETWORK)
    words = line("--verbose", "--rounds", "1", "--rerank", "1", "--skip", "2.[[]red]", network="odd:odd")
    assert main(words) == 0
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
    table = printed.out.splitlines()
    assert [row.split()[0] for row in table[2:8]] == ["1", *(f"2.{name}" for name in SHOWN[1:])]
    assert "left alone: 2.[red] (Linear)," in printed.out


def layer(**changes: Any) -> Mapping[str, Any]:
    """One of `qubo_dnn.compression.records.layer_records`."""
    return {
        **{"name": "conv", "kind": "Conv2d", "shape": [8, 3, 5, 5], "weights": 600, "widths": {"0": 2, "4": 6}},
        **{"bytes": 300, "activation_bits": 32, "predicted_share": 0.5, "measured_share": None},
    } | changes


def test_the_table_of_layers(capsys: pytest.CaptureFixture[str]) -> None:
    print_layers([layer(), layer(name="head", widths={"4": 8}, measured_share=0.25)])
    title, _, first, second, end = capsys.readouterr().out.splitlines()
    assert re.split(r"  +", title.strip()) == [
        *("layer", "type", "shape", "options (channels)", "bytes", "of float32", "predicted share", "measured share")
    ]
    assert re.split(r"  +", first.strip()) == [
        *("conv", "Conv2d", "8 x 3 x 5 x 5", "0 (2), 4 (6)", "300", "12.50 %", "50.00 %", "-")
    ]
    assert re.split(r"  +", second.strip())[3:] == ["4", "300", "12.50 %", "50.00 %", "25.00 %"]
    assert end == ""
    print_layers([layer(), layer(activation_bits=8)])
    _, _, first, second, _ = capsys.readouterr().out.splitlines()
    assert (re.split(r"  +", first)[4], re.split(r"  +", second)[4]) == ("-", "8 bits")
