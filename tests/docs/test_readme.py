"""The README is short, and what it and the pages list is what there is."""

from __future__ import annotations

import re
from importlib.metadata import distribution

from typer.core import TyperGroup
from typer.main import get_command

from qubo_dnn.cli.main import app
from qubo_dnn.compression.losses.losses import LOSS_NAMES
from qubo_dnn.compression.task.budgets import parse_budget
from qubo_dnn.files.formats import FORMATS
from qubo_dnn.registry import BACKENDS, FORMULATIONS
from tests.docs.blocks import ROOT, pages

README = ROOT / "README.md"
# Of every command, and of the programs of `bench`.
FOREIGN = {"--help", "--report-only", "--data", "--checkout", "--out", "--rounds", "--situations", "--seeds"}


def test_the_readme_is_short() -> None:
    assert len(README.read_bytes()) <= 8192


def test_its_picture_and_its_links_exist() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", README.read_text())
    assert len(targets) > 15
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_table_lists_the_backends_that_ship() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \|", README.read_text(), re.MULTILINE)
    ships = distribution("qubo-dnn").entry_points.select(group=BACKENDS)
    assert sorted(listed) == sorted(point.name for point in ships)


def test_the_comparison_counts_what_ships() -> None:
    page = (ROOT / "docs" / "comparison.md").read_text()
    for kind, group in (("backends", BACKENDS), ("formulations", FORMULATIONS)):
        number = re.search(rf"^\| {kind} \| (\d+)", page, re.MULTILINE)
        assert number is not None
        assert int(number[1]) == len(distribution("qubo-dnn").entry_points.select(group=group))


def test_every_option_that_a_page_names_is_one_of_a_command() -> None:
    known = set(FOREIGN)
    todo = [get_command(app)]
    while todo:
        command = todo.pop()
        known |= {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        if isinstance(command, TyperGroup):
            todo += command.commands.values()
    named = {
        (page.name, option)
        for page in pages()
        for code in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))
        if not code.startswith(("PIP_", "OMP_", "pip ", "python -m"))
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", code)
    }
    assert len(named) > 40
    assert [each for each in sorted(named) if each[1] not in known] == []


def test_the_budgets_that_are_listed_are_budgets() -> None:
    page = (ROOT / "docs" / "how-to" / "budgets.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    budgets = [parse_budget(text) for row in rows for text in re.findall(r"`([^`]+)`", row)]
    kinds = {"bits", "fraction", "bytes", "bops-fraction", "bops", "macs-fraction", "macs", "table-fraction", "table"}
    assert {budget.kind for budget in budgets} == kinds


def test_the_losses_that_are_listed_are_those_that_ship() -> None:
    page = (ROOT / "docs" / "how-to" / "data-and-losses.md").read_text()
    table = page.partition("| `--loss` | for |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"`([a-z-]+)`", table)) == sorted(LOSS_NAMES)


def test_the_suffixes_that_are_listed_are_those_of_formats() -> None:
    page = (ROOT / "docs" / "how-to" / "files.md").read_text()
    suffixes = {suffix for each in FORMATS.values() for suffix in each.suffixes}
    listed = re.findall(r"`(\.[a-z]+)`", page)
    assert len(listed) > 7
    assert set(listed) <= suffixes
