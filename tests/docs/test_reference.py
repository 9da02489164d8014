"""The reference lacks nothing: every public name, option, plugin, format and error has its page and its words."""

from __future__ import annotations

import doctest
import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any, ClassVar

import pytest
from torch.utils.data import TensorDataset

import qubo_backends
import qubo_dnn as qd
import qubo_formulations
import reference
from qubo_dnn import adapters
from qubo_dnn.cli import main
from qubo_dnn.cli.backends import describe_options
from qubo_dnn.encodings.names import INTEGERS
from qubo_dnn.files.formats import FORMATS
from qubo_dnn.registry import BACKENDS, FORMULATIONS, get_backend, get_formulation
from reference import api, commands, docstrings, files, plugins
from tests.docs.blocks import ROOT
from tests.docs.playground import names

PAGES = reference.pages()


@pytest.mark.parametrize("module", [docstrings])
def test_its_tools_do_what_they_say(module: Any) -> None:
    assert doctest.testmod(module).failed == 0


class TestPublicNames:
    listed: ClassVar = {
        (thing.__module__, thing.__name__): thing for found in api.names().values() for _, thing in found
    }

    def test_all_are_listed(self) -> None:
        face = {name for name in qd.__all__ if name != "__version__"}
        packages = {*face, *qubo_backends.__all__}
        folder = Path(str(adapters.__path__[0]))
        for path in folder.glob("[a-z]*.py"):
            module = importlib.import_module(f"qubo_dnn.adapters.{path.stem}")
            # `answering` is what the adapters share.
            own = {name for name, thing in vars(module).items() if getattr(thing, "__module__", "") == module.__name__}
            packages |= set() if path.stem == "answering" else {name for name in own if not name.startswith("_")}
        assert {name for _, name in self.listed} >= packages

    def test_each_has_a_page_with_words_and_an_example(self) -> None:
        for _, name in self.listed:
            page = PAGES[f"api/{name}"]
            assert "```pycon\n>>> " in page, name
            assert len(docstrings.prose(page).split()) > 20, name

    def test_every_argument_is_explained(self) -> None:
        for (module, name), thing in self.listed.items():
            if inspect.isfunction(thing) and module.startswith("qubo_dnn.api"):
                sections = docstrings.sections(inspect.getdoc(thing) or "")
                explained = docstrings.entries(sections.get("Args", ""))
                asked = [each for each in inspect.signature(thing).parameters if each not in explained]
                assert asked == [], name

    def test_what_a_page_says_of_a_method_is_there(self) -> None:
        page = PAGES["api/Solution"]
        assert "{py:method} report(" in page
        assert "{py:property} objective" in page or "{py:method} to_dict(" in page


class TestCommands:
    def test_every_option_has_a_page_and_words(self) -> None:
        found = commands.commands()
        assert len(found) > 15
        for words, command in found.items():
            page = PAGES[f"commands/{words.removeprefix('qubo-dnn ').replace(' ', '-')}"]
            assert command.help, words
            for each in command.params:
                if each.name != "help":
                    assert each.help, (words, each.name)
                    shown = each.opts[0] if each.param_type_name == "option" else (each.metavar or each.name.upper())
                    assert f"`{shown}" in page, (words, each.name)


class TestPlugins:
    def test_every_option_of_every_backend_is_explained(self) -> None:
        for name in plugins.shipped(BACKENDS):
            page = PAGES[f"backends/{name}"]
            for each in describe_options(get_backend(name).options_type):
                assert each["description"], (name, each["name"])
                assert f"| `{each['name']}` |" in page

    def test_every_formulation_states_its_formulas_and_its_source(self) -> None:
        for name in plugins.shipped(FORMULATIONS):
            page = PAGES[f"formulations/{name}"]
            assert "**Variables**: " in page, name
            assert re.search(r"\*\*Objective\*\*: |L\\_p = ", page), name
            assert "**Source**: " in page, name
            assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(
                inspect.signature(get_formulation(name)).parameters
            )

    def test_packages_have_no_further_plugins(self) -> None:
        own = {f"backends/{name}" for name in plugins.shipped(BACKENDS)}
        own |= {f"formulations/{name}" for name in plugins.shipped(FORMULATIONS)}
        assert own <= PAGES.keys()
        classes = {get_formulation(name).__module__ for name in plugins.shipped(FORMULATIONS)}
        folder = Path(str(qubo_formulations.__path__[0]))
        modules = {f"qubo_formulations.{path.stem}" for path in folder.glob("[a-z]*.py")}
        assert {each for each in modules - classes if hasattr(importlib.import_module(each), "name")} == set()


class TestFiles:
    def test_every_format_has_its_grammar(self) -> None:
        for name, each in FORMATS.items():
            section = PAGES["formats"].partition(f"\n## {name}\n")[2].partition("\n## ")[0]
            assert len(section.split()) > 25, name
            assert all(f"`{suffix}`" in section for suffix in each.suffixes)

    def test_every_encoding_has_its_formula(self) -> None:
        for name in INTEGERS:
            section = PAGES["encodings"].partition(f"\n### {name}\n")[2].partition("\n### ")[0]
            assert "**Source**: " in section, name

    def test_every_exit_code_is_there(self) -> None:
        listed = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGES["errors"], re.MULTILINE)}
        raised = {each.exit_code for each in files.error_classes()}
        assert listed == raised | {0, 1, 2, main.INTERRUPTED}
        for each in files.error_classes():
            assert f"## {each.__name__}\n" in PAGES["errors"]

    def test_the_keys_of_the_result_are_those_that_are_written(self, tmp_path: Path) -> None:
        page = (ROOT / "docs" / "reference" / "result-files.md").read_text()
        given = names()
        done = qd.compress(
            given["network"],
            given["images"],
            "60%macs",
            targets=given["labels"],
            test=TensorDataset(given["images"], given["labels"]),
            options="0,32",
            backend="tabu",
            rounds=1,
        )
        folder = Path(done.save(tmp_path / "out"))
        result = json.loads((folder / "result.json").read_text())
        rows = page.partition("## result.json")[2]
        documented = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE))))
        assert set(result) - documented == set()
        # `onnx` comes with ONNX files alone; `resumed` and others are always there.
        assert documented - set(result) <= {"onnx", *_OF_THE_COMMAND}
        inner = set(re.findall(r"`(\w+)`", rows))
        for key in ("reference", "compressed", "held_out_divergence", "removal"):
            assert set(result[key]) <= inner, key
        for key in ("budgets", "rounds", "layers", "left_alone"):
            assert set(result[key][0]) <= inner, key
        plan = json.loads((folder / "plan.json").read_text())
        assert set(plan) <= set(re.findall(r"`(\w+)`", page.partition("## result.json")[0]))


_OF_THE_COMMAND = (
    *("network", "formulation", "loss", "output", "metric", "options", "compensation", "granularity"),
    *("calibration_size", "inputs"),
)
