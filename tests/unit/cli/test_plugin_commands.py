"""`backends` and `formulations`: what they list, show and diagnose."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qubo_dnn.cli.main import main
from qubo_dnn.registry import list_backends, list_formulations

pytestmark = pytest.mark.usefixtures("plugins")


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command that succeeds and gives its lines on stdout."""

    def run(*arguments: str) -> list[str]:
        assert main(arguments) == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        return [line.rstrip() for line in printed.out.splitlines()]

    return run


@pytest.fixture
def parsed(lines: Any) -> Any:
    """Runs a command that succeeds and gives its JSON."""
    return lambda *arguments: json.loads("\n".join(lines(*arguments, "--json")))


def by_name(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Entries of a list by their name."""
    return {entry["name"]: entry for entry in entries}


@pytest.mark.parametrize(("kind", "names"), [("backends", list_backends), ("formulations", list_formulations)])
def test_list_has_every_installed_name(kind: str, names: Any, lines: Any, parsed: Any) -> None:
    assert [line.split()[0] for line in lines(kind, "list")[2:]] == list(names())
    assert [entry["name"] for entry in parsed(kind, "list")] == list(names())


def test_list_shows_summary_and_origin_uncut(lines: Any, parsed: Any) -> None:
    line = next(line for line in lines("backends", "list") if line.startswith("sound"))
    assert "samples with [brackets]" in line
    assert line.endswith("stranger 3.1")
    assert by_name(parsed("backends", "list"))["sound"] == {
        "name": "sound",
        "summary": "samples with [brackets]",
        "origin": "stranger 3.1",
        "available": True,
        "fault": None,
    }


def test_doctor_says_what_is_missing_and_survives_a_broken_plugin(lines: Any, parsed: Any) -> None:
    entries = by_name(parsed("backends", "doctor"))
    assert entries["sound"]["available"]
    assert not entries["lacking"]["available"]
    assert "a_package_that_is_not_there" in entries["lacking"]["fault"]
    assert entries["broken"]["fault"] == "two lines"
    states = {line.split()[0]: line for line in lines("backends", "doctor")}
    assert " ok " in states["sound"]
    assert "a_package_that_is_not_there" in states["lacking"]


def test_show_backend_describes_capabilities_and_options(lines: Any, parsed: Any) -> None:
    shown = parsed("backends", "show", "sound")
    assert shown["capabilities"]["max_variables"] == 7
    assert shown["capabilities"]["native_constraints"] == [
        "assignment",
        "linear-equality",
        "linear-inequality",
        "one-hot",
        "quadratic-equality",
        "quadratic-inequality",
    ]
    options = by_name(shown["options"])
    assert options["num_reads"] | {"description": ""} == {
        "name": "num_reads",
        "type": "integer",
        "default": None,
        "range": ">= 1, <= 2147483647",
        "description": "",
    }
    assert options["beta"] == {
        "name": "beta",
        "type": "number",
        "default": 0.5,
        "range": "> 0, <= 10",
        "description": "inverse temperature",
    }
    types = {name: option["type"] for name, option in options.items()}
    assert types["schedule"] == "'linear' or 'geometric'"
    assert types["ends"] == "(number, number)"
    assert types["steps"] == "list of integer or 'auto'"
    text = "\n".join(lines("backends", "show", "sound"))
    assert "assignment, linear-equality" in " ".join(text.split())
    assert "inverse temperature" in text


def test_show_formulation_describes_parameters(lines: Any, parsed: Any) -> None:
    shown = parsed("formulations", "show", "toy")
    assert shown["description"].startswith("A toy.")
    assert shown["parameters"] == [
        {"name": "size", "type": "int", "default": None, "required": True},
        {"name": "weight", "type": "float | None", "default": "1.5", "required": False},
        {"name": "anything", "type": None, "default": "None", "required": False},
    ]
    text = lines("formulations", "show", "toy")
    assert any(line.split() == ["size", "int", "required"] for line in text)
    assert any(line.split() == ["anything", "-", "None"] for line in text)


@pytest.mark.parametrize(
    ("kind", "name", "near", "code"), [("backends", "soumd", "sound", 4), ("formulations", "toyy", "toy", 5)]
)
def test_unknown_name_suggests_the_near_one(
    kind: str, name: str, near: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([kind, "show", name]) == code
    assert capsys.readouterr().err == f"error: unknown {kind[:-1]} {name!r}; did you mean {near!r}?\n"


def test_show_of_a_backend_that_lacks_a_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backends", "show", "lacking"]) == 6
    assert "a_package_that_is_not_there" in capsys.readouterr().err


@pytest.mark.parametrize("name", list_backends())
def test_every_installed_backend_is_shown(name: str, parsed: Any) -> None:
    shown = parsed("backends", "show", name)
    assert {"num_reads", "seed", "time_limit"} <= {each["name"] for each in shown["options"]}
