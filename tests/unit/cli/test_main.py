"""The shell: exit codes, one-line messages, quick and light help."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
from typer.main import get_command

from qubo_dnn import errors, registry
from qubo_dnn.cli.main import app, main

COMMAND = [sys.executable, "-m", "qubo_dnn.cli.main"]
# Not pydantic: typer itself loads it once a sub-command has options.
HEAVY = {"dimod", "dwave", "mlflow", "neal", "networkx", "numba", "numpy", "pyqubo", "qiskit", "scipy", "torch"}


def raised(cls: type[errors.QuboDnnError]) -> errors.QuboDnnError:
    """An instance of an error class."""
    return cls("backend", "x", ["y"]) if issubclass(cls, errors.UnknownNameError) else cls("what is\nwrong")


def all_errors(cls: type[errors.QuboDnnError] = errors.QuboDnnError) -> list[type[errors.QuboDnnError]]:
    """An error class and everything below it."""
    return [cls, *(below for child in cls.__subclasses__() for below in all_errors(child))]


def raise_from_command(monkeypatch: pytest.MonkeyPatch, fault: BaseException) -> None:
    """Make `backends show` fail."""

    def fail(_name: str) -> None:
        raise fault

    monkeypatch.setattr(registry, "get_backend", fail)


@pytest.mark.parametrize("cls", all_errors(), ids=lambda cls: cls.__name__)
def test_each_error_is_one_line_and_its_exit_code(
    cls: type[errors.QuboDnnError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raise_from_command(monkeypatch, raised(cls))
    assert main(["backends", "show", "x"]) == cls.exit_code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1


def test_exit_codes_tell_kinds_of_failure_apart() -> None:
    direct = [cls for cls in errors.QuboDnnError.__subclasses__() if cls is not errors.UnknownNameError]
    codes = [cls.exit_code for cls in [*direct, *errors.UnknownNameError.__subclasses__()]]
    assert len(set(codes)) == len(codes)
    assert not set(codes) & {0, 1, 2, 130}


def test_unexpected_fault_names_its_type_and_the_way_to_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("QUBO_DNN_DEBUG", raising=False)
    raise_from_command(monkeypatch, ZeroDivisionError("by\nzero"))
    assert main(["backends", "show", "x"]) == 1
    assert capsys.readouterr().err == (
        "internal error: ZeroDivisionError: by zero (set QUBO_DNN_DEBUG=1 to see the traceback)\n"
    )


def test_debug_lets_an_unexpected_fault_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUBO_DNN_DEBUG", "1")
    raise_from_command(monkeypatch, ZeroDivisionError("by zero"))
    with pytest.raises(ZeroDivisionError):
        main(["backends", "show", "x"])


def test_interrupt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raise_from_command(monkeypatch, KeyboardInterrupt())
    assert main(["backends", "show", "x"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("line", [["nonsense"], ["backends", "show"], ["backends", "list", "--nonsense"]])
def test_malformed_command_line_is_code_2_on_stderr(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"qubo-dnn {version('qubo-dnn')}\n"


def test_reader_that_leaves_early_gets_no_noise() -> None:
    """As in `qubo-dnn backends list | head -0`: the pipe is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        ended = subprocess.run([*COMMAND, "--version"], stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "")


@pytest.mark.parametrize("line", [["--help"], ["backends", "--help"], ["formulations", "show", "--help"]])
def test_help_imports_nothing_heavy(line: list[str]) -> None:
    code = (
        "import sys\nfrom qubo_dnn.cli.main import main\n"
        f"assert main({line!r}) == 0\nprint(*sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in ended.stderr.split()}
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_help_is_quick() -> None:
    """It takes less than twice what typer takes for a program of two commands that do nothing.

    Processor time, not wall time, and the best of three in turns: neither other work nor a slow machine counts.
    """
    bare = "import typer\napp = typer.Typer()\nfor name in 'ab':\n    app.command(name)(lambda: None)\napp()"
    pairs = [(cpu_seconds([*COMMAND, "--help"]), cpu_seconds([sys.executable, "-c", bare, "--help"])) for _ in range(3)]
    ours, typers = (min(each) for each in zip(*pairs, strict=True))
    assert ours < 2 * typers


def cpu_seconds(command: list[str]) -> float:
    """User plus system time of a command, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def options(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Name and description of every argument and option of a command and of its sub-commands."""
    for each in command.params:
        yield " ".join((*path, each.name)), each.help
    for name, child in getattr(command, "commands", {}).items():
        yield from options(child, (*path, name))


def test_descriptions_of_options_are_sentences_that_say_what_they_set() -> None:
    """A description that begins with a preposition, such as "Of every random choice.", describes nothing by itself."""
    found = dict(options(get_command(app)))
    assert found["solve seed"] == "Random seed."
    begun = {"About", "As", "Between", "By", "For", "From", "Instead", "Of", "To", "Where", "With", "Within", "Without"}
    assert {name: text for name, text in found.items() if not (text or "").endswith(".")} == {}
    assert {name: text for name, text in found.items() if text.split()[0] in begun} == {}


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Words and object of a command and of its sub-commands."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


def test_help_shows_whole_names_at_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 80)
    for path, command in commands(get_command(app)):
        assert main([*path, "--help"]) == 0
        shown = capsys.readouterr().out
        words = shown.replace(",", " ").split()
        assert max(map(len, shown.splitlines())) <= 80
        assert "\N{HORIZONTAL ELLIPSIS}" not in shown
        names = [name for each in command.params for name in (*each.opts, *each.secondary_opts) if name[:1] == "-"]
        assert [name for name in names if name not in words] == []


def test_what_a_terminal_cannot_show_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(shown, encoding="utf-8", write_through=True))
    assert main(["solve", "x\udcff.lp"]) not in (0, 1)
    assert b"x\\udcff.lp" in shown.getvalue()
