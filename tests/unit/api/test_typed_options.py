"""Type checkers know the options of every built-in backend."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_overloads, get_type_hints

import pytest

import qubo_dnn
from qubo_dnn.api import arguments
from qubo_dnn.api.solving import solve
from qubo_dnn.backend import Backend, SolveOptions
from qubo_dnn.registry import get_backend, list_backends

CODE = """
import qubo_dnn as qd

name: str = input()
qd.solve([[1.0]], "pt", num_sweeps=10, seed=1)
qd.solve([[1.0]], num_replicas=4)
qd.solve([[1.0]], name, seed=1)
qd.solve([[1.0]], qd.get_backend(name), anything=1)
qd.solve([[1.0]], num_raeds=1)
qd.solve([[1.0]], "neal", num_raeds=1)
qd.solve([[1.0]], "tabu", beta_range=(0.1, 1.0))
qd.solve([[1.0]], "pt", num_sweeps="many")
"""


def overloads() -> dict[Any, Any]:
    """Literal name, or another type of `backend` -> the arguments of that overload."""
    found = {}
    for each in get_overloads(inspect.unwrap(solve)):
        hints = get_type_hints(each, include_extras=True)
        backend, (options,) = hints["backend"], get_args(hints["options"]) or (Any,)
        found[get_args(backend)[0] if get_origin(backend) is Literal else backend] = options
    return found


@pytest.mark.parametrize("name", list_backends())
def test_the_options_of_a_backend_are_those_of_its_own_class(name: str) -> None:
    kind = get_backend(name).options_type
    hints = get_type_hints(kind)
    own = {option: hints[option] for option in kind.model_fields if option not in SolveOptions.model_fields}
    typed = get_type_hints(overloads()[name])
    assert {option: hint for option, hint in typed.items() if option not in arguments.Common.__annotations__} == own


def test_every_other_backend_is_taken_by_name_or_as_an_instance() -> None:
    assert overloads().keys() == {*list_backends(), str, Backend}


@pytest.mark.slow
def test_mypy_finds_misspelled_options(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(CODE)
    command = [sys.executable, "-m", "mypy", "--no-incremental", "--follow-imports=silent", "user.py"]
    # mypy does not see what is installed in editable mode.
    environment = {**os.environ, "MYPYPATH": str(Path(qubo_dnn.__file__).parents[1])}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    said = ran.stdout
    lines = [int(line.split(":")[1]) for line in said.splitlines() if ": error:" in line]
    assert lines == [9, 10, 11, 12], said
