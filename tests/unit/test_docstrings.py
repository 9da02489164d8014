"""Examples in docstrings give what they say, and every public function and class has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import is_typeddict

import pytest

import qubo_backends
import qubo_dnn
import qubo_formulations

# Help texts are the documentation of commands, and the shell is where they are tried.
_WITHOUT_EXAMPLES = ("qubo_dnn.cli",)


def modules() -> Iterator[str]:
    for package in (qubo_dnn, qubo_backends, qubo_formulations):
        yield package.__name__
        yield from (found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))


def public(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Names and docstrings of the module's own public functions and classes; types of arguments do nothing to show."""
    for name, thing in vars(module).items():
        own = getattr(thing, "__module__", None) == module.__name__
        if (
            own
            and not name.startswith("_")
            and not is_typeddict(thing)
            and (inspect.isclass(thing) or inspect.isroutine(thing))
        ):
            yield name, inspect.getdoc(thing) or ""


@pytest.mark.parametrize("name", list(modules()))
def test_examples_give_what_they_say(name: str) -> None:
    ended = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert ended.failed == 0


def with_examples() -> list[str]:
    return [name for name in modules() if "._" not in name and not name.startswith(_WITHOUT_EXAMPLES)]


@pytest.mark.parametrize("name", with_examples())
def test_everything_public_has_an_example(name: str) -> None:
    assert [found for found, text in public(importlib.import_module(name)) if ">>>" not in text] == []
