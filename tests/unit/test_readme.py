"""The README's examples do what they say."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import distribution
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from qubo_dnn.cli.main import app
from qubo_dnn.compression.task.budgets import parse_budget
from qubo_dnn.registry import BACKENDS

README = Path(__file__).parents[2] / "README.md"


def test_the_solving_examples_print_what_their_comments_promise(capsys: pytest.CaptureFixture[str]) -> None:
    section = README.read_text().partition("## Solve anything")[2].partition("\n## ")[0]
    for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
        names: dict[str, object] = {}
        exec(block, names)
        objective, side = capsys.readouterr().out.split("\n", 1)
        promised = re.search(r"best.objective\)  # (\S+):", block)
        assert promised is not None
        assert objective == promised[1]
        edges = names.get("edges", [(i, (i + 1) % 6) for i in range(6)])
        assert isinstance(edges, list)
        chosen = eval(side)
        assert sum((i in chosen) != (j in chosen) for i, j in edges) == float(objective)


def test_the_ocean_example_prints_what_it_promises(capsys: pytest.CaptureFixture[str]) -> None:
    section = README.read_text().partition("## In place of Ocean's samplers")[2].partition("\n## ")[0]
    block = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert block is not None
    exec(block[1], {})
    promised = re.findall(r"first.energy\)  # ([-.0-9]+)", block[1])
    assert promised == capsys.readouterr().out.split() == ["-1.0", "-4.0"]


def test_the_sampler_example_prints_what_it_promises(capsys: pytest.CaptureFixture[str]) -> None:
    section = README.read_text().partition("## Parallel tempering")[2].partition("\n## ")[0]
    block = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert block is not None
    promised = re.search(r"first.energy\)  # (\S+)", block[1])
    assert promised is not None
    exec(block[1], {})
    assert capsys.readouterr().out.strip() == promised[1]


def test_the_table_lists_the_backends_that_ship() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \|", README.read_text(), re.MULTILINE)
    ships = distribution("qubo-dnn").entry_points.select(group=BACKENDS)
    assert sorted(listed) == sorted(point.name for point in ships)


def compress_section() -> str:
    return README.read_text().partition("## Compress a network")[2].partition("\n### ")[0]


def test_every_command_that_compresses_can_be_parsed() -> None:
    """And every option in the text around them is one of the command's."""
    command = get_command(app)
    assert isinstance(command, TyperGroup)
    compress = command.commands["compress"]
    block = re.search(r"```\n(.*?)```", compress_section(), re.DOTALL)
    assert block is not None
    lines = block[1].replace("\\\n", "").strip().splitlines()
    words = [shlex.split(line) for line in lines if line]
    assert len(words) == 2
    for each in words:
        assert each[:2] == ["qubo-dnn", "compress"]
        compress.make_context("compress", each[2:])
    known = {name for parameter in compress.params for name in parameter.opts}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", compress_section())) - {"--data"}
    assert len(named) > 15
    assert named <= known


def test_the_budgets_it_lists_are_budgets() -> None:
    bullet = re.search(r"- \*\*Budgets\*\*(.*?)\n- ", compress_section(), re.DOTALL)
    assert bullet is not None
    listed = re.findall(r"`([^` ]+)`", bullet[1].partition(" with `--table")[0])
    budgets = [parse_budget(text) for text in listed]
    assert {budget.kind for budget in budgets} == {
        *("bits", "fraction", "bytes", "bops-fraction", "bops", "macs-fraction", "macs", "table-fraction"),
    }
