"""Tables print rows as they come, and keep what was measured before a row failed."""

from __future__ import annotations

import doctest
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import command, processes, tables
from bench.processes import Timed
from bench.tables import Table, grouped


@pytest.mark.parametrize("module", [command, processes, tables])
def test_examples_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]  # a module


def test_rows_before_a_failure_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def rows() -> Iterator[dict[str, float]]:
        yield {"size": 10, "seconds": 0.25}
        raise MemoryError

    table = Table("n | s", "{size} | {seconds:.2f}")
    with pytest.raises(MemoryError):
        table.print(rows(), tmp_path / "rows.json")
    assert capsys.readouterr().out == "| n | s |\n|---|---|\n| 10 | 0.25 |\n"
    assert json.loads((tmp_path / "rows.json").read_text()) == [{"size": 10, "seconds": 0.25}]


def test_rows_are_grouped_in_the_order_of_their_first() -> None:
    rows = [{"solver": "pt", "seed": 1}, {"solver": "tabu", "seed": 1}, {"solver": "pt", "seed": 2}]
    assert grouped(rows, "solver") == {("pt",): [rows[0], rows[2]], ("tabu",): [rows[1]]}


def test_values_come_with_their_seconds() -> None:
    assert isinstance(processes.timed(sorted, [2, 1], reverse=True), Timed)
    value, seconds = processes.cpu_timed(sorted, [2, 1], reverse=True)
    assert value == [2, 1]
    assert seconds >= 0.0
