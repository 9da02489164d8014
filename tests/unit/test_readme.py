"""The README's example does what it says."""

from __future__ import annotations

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest

from qubo_dnn.registry import BACKENDS

README = Path(__file__).parents[2] / "README.md"


def test_the_solving_example_prints_what_its_comments_promise(capsys: pytest.CaptureFixture[str]) -> None:
    section = README.read_text().partition("## Solve anything")[2]
    block = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert block is not None
    names: dict[str, object] = {}
    exec(block[1], names)
    objective, side = capsys.readouterr().out.split("\n", 1)
    assert objective == "4.0"
    edges = names["edges"]
    assert isinstance(edges, list)
    chosen = eval(side)
    assert sum((i in chosen) != (j in chosen) for i, j in edges) == 4


def test_the_table_lists_the_backends_that_ship() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \|", README.read_text(), re.MULTILINE)
    ships = distribution("qubo-dnn").entry_points.select(group=BACKENDS)
    assert sorted(listed) == sorted(point.name for point in ships)
