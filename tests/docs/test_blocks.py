"""Every code block of README and site is run, or, if that needs hardware or a token, at least well formed."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import logging
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from qubo_dnn.backend import PROGRESS
from qubo_dnn.cli.main import app, main
from tests.docs.blocks import ROOT, Block, blocks, commands, pages
from tests.docs.playground import fill, names

PAGES = {page.relative_to(ROOT).as_posix(): list(blocks(page)) for page in pages()}
LANGUAGES = ("python", "shell", "text", "toml")
# Runs of the network that ships take a minute each, and are another test's: their folder is made by a quicker one.
_QUICKER = {"zoo:mnist-cnn": "--granularity layer --calibration-size 64"}
# A comment after print promises what is printed, or how that begins.
_PROMISE = re.compile(r"^print\(.*\)  # (.+)$", re.MULTILINE)


def of(page: str, language: str) -> list[Block]:
    return [block for block in PAGES[page] if block.language == language]


def with_blocks(language: str) -> list[str]:
    return [page for page in PAGES if any(block.reason is None for block in of(page, language))]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to work in, with the files of the pages and a package of the user's."""
    fill(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for module in ("mypackage", "mypackage.nets"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    # A page sets the level of this logger, for the rest of the process.
    logger = logging.getLogger(PROGRESS)
    monkeypatch.setattr(logger, "level", logger.level)


def test_every_block_says_what_it_is() -> None:
    unknown = [(block.page, block.line) for page in PAGES.values() for block in page if block.language not in LANGUAGES]
    assert unknown == []
    assert sum(map(len, PAGES.values())) > 60


@pytest.mark.parametrize("page", [page for page in PAGES if of(page, "python")])
def test_python_is_well_formed(page: str) -> None:
    for block in of(page, "python"):
        ast.parse(block.code)


@pytest.mark.parametrize("page", [page for page in PAGES if of(page, "toml")])
def test_toml_is_well_formed(page: str) -> None:
    for block in of(page, "toml"):
        assert tomllib.loads(block.code)


@pytest.mark.parametrize("page", [page for page in PAGES if of(page, "shell")])
def test_commands_are_well_formed(page: str) -> None:
    for block in of(page, "shell"):
        for line in commands(block.code):
            check_command(shlex.split(line))


def check_command(words: list[str]) -> None:
    """What is called exists, with these options."""
    if words[0] == "qubo-dnn":
        parsed = get_command(app)
        with parsed.make_context("qubo-dnn", words[1:]) as context:
            assert isinstance(parsed, TyperGroup)
            name, command, rest = parsed.resolve_command(context, words[1:])
            while isinstance(command, TyperGroup) and rest:
                name, command, rest = command.resolve_command(context, rest)
            assert command is not None
            command.make_context(name, rest, parent=context)
    elif words[0] == "make":
        makefile = (ROOT / "Makefile").read_text()
        assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in words[1:])
    elif words[:2] == ["pip", "install"]:
        asked = re.findall(r"\[([^\]]+)\]", " ".join(words))
        known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert {extra for each in asked for extra in each.split(",")} <= known.keys()
    elif words[0].endswith("python") and words[1] == "-m":
        assert importlib.util.find_spec(words[2]) is not None
    else:
        assert (ROOT / words[0]).exists(), words


def test_a_wrong_command_is_noticed() -> None:
    for line in ("qubo-dnn compress zoo:mnist-cnn --bugdet 3bits", "make dmeo", "pip install -e '.[trch]'"):
        with pytest.raises(Exception, match=r"."):
            check_command(shlex.split(line))


def test_every_bench_command_of_the_pages_exists() -> None:
    """Also those in the text, with the options that they are given."""
    found = 0
    for page in [*pages(), *ROOT.glob("bench/**/README.md")]:
        for call in re.findall(r"python -m (bench[\w.]*(?: --?[\w-]+(?: [^-`\s]\S*)*)*)", page.read_text()):
            module, *words = call.replace("\n", " ").split()
            spec = importlib.util.find_spec(module)
            assert spec is not None, (page, module)
            places = [Path(spec.origin or ""), ROOT / "bench" / "command.py"]
            if spec.submodule_search_locations:
                places += Path(spec.submodule_search_locations[0]).rglob("*.py")
            code = "".join(place.read_text() for place in places if place.is_file())
            assert [word for word in words if word.startswith("--") and f'"{word}"' not in code] == [], (page, call)
            found += 1
    assert found > 10


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", with_blocks("python"))
def test_python_runs_and_keeps_its_promises(page: str) -> None:
    if any("runs/mnist" in block.code for block in of(page, "python")):
        assert run(f"qubo-dnn compress zoo:mnist-cnn {_QUICKER['zoo:mnist-cnn']} --budget 3bits --out runs/mnist") == 0
    known = {"__name__": "page", **names()}
    for block in of(page, "python"):
        if block.reason is None:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * (block.line - 1) + block.code, ROOT / page, "exec"), known)
            said = printed.getvalue().splitlines()
            for promised in _PROMISE.findall(block.code):
                words = promised.partition(": ")[0] if promised.partition(": ")[0] in said else promised
                assert words in said, (page, block.line, promised, said)


def run(line: str) -> int:
    return main(shlex.split(line)[1:])


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", with_blocks("shell"))
def test_commands_run(page: str) -> None:
    lines = [line for block in of(page, "shell") if block.reason is None for line in commands(block.code)]
    ours = [line for line in lines if line.startswith("qubo-dnn ")]
    before = {
        "runs/mnist": f"qubo-dnn compress zoo:mnist-cnn {_QUICKER['zoo:mnist-cnn']} --budget 3bits --out runs/mnist",
        "runs/resnet20": "qubo-dnn compress mypackage.nets:resnet20 --weights w.safetensors --calibration c.npz "
        "--budget 4bits --out runs/resnet20",
    }
    for made, command in before.items():
        used = [line for line in ours if made in line and f"--out {made}" not in line]
        if used and not any(f"--out {made}" in line for line in ours):
            assert run(command) == 0
    for line in ours:
        quick = line
        for network, options in _QUICKER.items():
            if f" compress {network}" in line:
                quick = f"{line} {options}"
        # A network with random weights may be further from the original than predicted.
        assert run(quick) in (0, 25), line
