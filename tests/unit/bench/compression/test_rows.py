from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.compression.comparison.rows import MethodRow, Rows
from bench.compression.comparison.table import table
from qubo_dnn.errors import FileFormatError

ROW = MethodRow("as-given", 3.0, "greedy", 0, 2.9, 0.875, 0.05, 12.0, 0.25, "a note")


def test_rows_are_found_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    rows = Rows({"images": 512}, path)
    assert ROW.key not in rows
    rows.add(ROW)
    rows.add(replace(ROW, seed=1))
    again = Rows({"images": 512}, path)
    assert again.all == [ROW, replace(ROW, seed=1)]
    assert ROW.key in again
    assert replace(ROW, budget=2.5).key not in again
    assert [file.name for file in tmp_path.iterdir()] == ["rows.json"]


def test_rows_of_other_settings_are_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    Rows({"images": 512, "plans": 3}, path).add(ROW)
    before = path.read_text()
    with pytest.raises(FileFormatError, match=r"another run, with another images$"):
        Rows({"images": 256, "plans": 3}, path)
    assert path.read_text() == before


@pytest.mark.parametrize("text", ["", "[]", '{"rows": []}', '{"settings": {}, "rows": [{"method": "greedy"}]}'])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(FileFormatError, match="holds no results of this benchmark"):
        Rows({}, path)


def test_without_a_file_rows_stay_in_memory() -> None:
    rows = Rows({})
    rows.add(ROW)
    assert ROW.key in rows


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    rows = Rows({"images": 512}, tmp_path / "rows.json")
    rows.add(ROW)
    data = json.loads((tmp_path / "rows.json").read_text())
    assert data["settings"] == {"images": 512}
    assert data["rows"][0]["held_out_divergence"] == 0.05


def test_the_table_gives_mean_and_range() -> None:
    rows = [
        replace(ROW, budget=4.0),
        ROW,
        replace(ROW, seed=1, accuracy=0.885, held_out_divergence=0.07),
        replace(ROW, situation="folded", method="uniform"),
    ]
    assert table(rows).splitlines()[2:] == [
        "| as-given | 3 | greedy | 2.900 | 88.00 (87.50 to 88.50) | 0.0600 (0.0500 to 0.0700) | 12.0 | 0.2 |",
        "| as-given | 4 | greedy | 2.900 | 87.50 | 0.0500 | 12.0 | 0.2 |",
        "| folded | 3 | uniform | 2.900 | 87.50 | 0.0500 | 12.0 | 0.2 |",
    ]
