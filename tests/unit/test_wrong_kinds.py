"""What is called with something of another kind answers in one line that says what it takes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.backend import make_options
from qubo_dnn.errors import ArgumentError, FormulationError
from qubo_dnn.models.dimod_models import problem_from_bqm, problem_from_cqm
from qubo_dnn.models.ocean_sampler import BackendSampler
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend, get_formulation, list_backends
from qubo_dnn.solving.black_box import solve_black_box
from qubo_dnn.solving.local_answer import solve_locally
from qubo_dnn.solving.solve import solve

BQM = dimod.BinaryQuadraticModel({"a": 1.0}, {}, 0.0, "BINARY")
PROBLEM: Problem[Any] = problem_from_bqm(BQM)
MaxCut = get_formulation("max-cut")
NO_PROBLEMS: dict[str, Any] = {
    "formulation": MaxCut.example(0),
    "class": MaxCut,
    "bqm": BQM,
    "cqm": dimod.ConstrainedQuadraticModel(),
    "file": "model.lp",
    "nothing": None,
    "dictionary": {("a", "a"): 1.0},
    "array": np.eye(2),
}
NO_MODELS: dict[str, Any] = {
    **{name: given for name, given in NO_PROBLEMS.items() if name != "bqm"},
    "problem": PROBLEM,
    "quadratic model": dimod.QuadraticModel(),
}


@pytest.mark.parametrize("name", NO_PROBLEMS)
def test_what_is_no_problem(name: str) -> None:
    given = NO_PROBLEMS[name]
    for call in (
        lambda: solve(given, get_backend("exact")),
        lambda: solve_locally(given),
        lambda: solve_black_box(given, get_backend("genetic"), np.sum),
    ):
        with pytest.raises(
            ArgumentError, match=r"problem must be Problem, not .*; a formulation's compile\(\) returns one"
        ) as caught:
            call()
        assert isinstance(caught.value, TypeError)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NO_MODELS)
def test_what_is_no_model(name: str) -> None:
    given = NO_MODELS[name]
    with pytest.raises(ArgumentError, match="must be BinaryQuadraticModel, not"):
        BackendSampler("pt").sample(given)
    with pytest.raises(ArgumentError, match="must be BinaryQuadraticModel, not"):
        problem_from_bqm(given)
    with pytest.raises(ArgumentError, match="must be BinaryQuadraticModel, not"):
        Problem(objective=given, decoder=dict)


@pytest.mark.parametrize("backend", [name for name in list_backends() if not name.startswith("dwave-")])
def test_every_backend_refuses_what_is_no_model_or_no_problem(backend: str) -> None:
    able: Any = get_backend(backend)
    options = make_options(able, {})
    for given in (None, dimod.ConstrainedQuadraticModel(), PROBLEM):
        with pytest.raises(ArgumentError, match="must be BinaryQuadraticModel, not"):
            able.sample(given, options)
    if able.capabilities.native_constraints:
        with pytest.raises(ArgumentError, match="problem_from_bqm"):
            able.sample_constrained(BQM, options)


@pytest.mark.parametrize(
    "given",
    [None, 3, type(get_backend("exact")), dimod.ExactSolver(), SimpleNamespace(name="pt")],
    ids=["none", "number", "class", "sampler", "namespace"],
)
def test_what_is_no_backend(given: Any) -> None:
    for call in (lambda: solve(PROBLEM, given), lambda: BackendSampler(given)):
        with pytest.raises(ArgumentError, match=r"backend must be Backend( or str)?, not "):
            call()
    with pytest.raises(ArgumentError, match="solve: backend must be Backend, not str: 'pt'; get_backend"):
        solve(PROBLEM, "pt")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="get_backend: name must be str, not"):
        get_backend(given)
    with pytest.raises(ArgumentError, match="get_formulation: name must be str, not"):
        get_formulation(given)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"options": 3}, "solve: options must be Mapping of str to anything or None, not int: 3"),
        ({"options": [("num_reads", 3)]}, "options must be Mapping of str to anything or None, not list"),
        ({"options": ""}, "options must be Mapping of str to anything or None, not str: ''"),
        ({"options": {3: 4}}, "options must be Mapping of str to anything or None, not dict"),
        ({"progress": 3}, "progress must be callable or None, not int: 3"),
        ({"num_solutions": "3"}, "num_solutions must be int, not str: '3'"),
        ({"num_solutions": 2.5}, "num_solutions must be int, not float: 2.5"),
        ({"num_solutions": True}, "num_solutions must be int, not bool: True"),
        ({"presolve": "no"}, "presolve must be bool, not str: 'no'"),
        ({"inequalities": 3}, "inequalities must be str, not int: 3"),
    ],
    ids=lambda value: "-".join(f"{key}={entry!r}" for key, entry in value.items()) if isinstance(value, dict) else "",
)
def test_other_arguments_of_solve(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        solve(PROBLEM, get_backend("exact"), **values)


def test_what_solve_takes_of_numpy() -> None:
    given: dict[str, Any] = {"num_solutions": np.int64(2), "presolve": np.bool_(False)}
    assert solve(PROBLEM, get_backend("exact"), **given).best.objective == 0.0


NO_BIASES: dict[str, Callable[[BackendSampler], object]] = {
    "no ising": lambda sampler: sampler.sample_ising(None, None),  # type: ignore[arg-type]
    "numbers": lambda sampler: sampler.sample_ising(3, 4),  # type: ignore[arg-type]
    "text as bias": lambda sampler: sampler.sample_ising({"a": "x"}, {}),  # type: ignore[dict-item]
    "complex bias": lambda sampler: sampler.sample_ising({"a": 1j}, {}),  # type: ignore[dict-item]
    "coupling of one": lambda sampler: sampler.sample_ising({"a": 1.0}, {"b": 2.0}),
    "no qubo": lambda sampler: sampler.sample_qubo(None),  # type: ignore[arg-type]
    "text as coefficient": lambda sampler: sampler.sample_qubo({("a", "b"): "x"}),  # type: ignore[dict-item]
    "three variables": lambda sampler: sampler.sample_qubo({("a", "b", "c"): 1.0}),
    "a model": lambda sampler: sampler.sample_qubo(BQM),
}


@pytest.mark.parametrize("name", NO_BIASES)
def test_what_is_no_ising_model_or_qubo(name: str) -> None:
    with pytest.raises(ArgumentError, match=r"an Ising model is|a QUBO is"):
        NO_BIASES[name](BackendSampler("exact"))


def test_ising_models_and_qubos_are_sampled() -> None:
    sampler = BackendSampler("exact")
    assert sampler.sample_ising([1.0, 0.0], {(0, 1): 1.0}).first.energy == -2.0
    assert sampler.sample_qubo({("a", "a"): -1.0, ("a", "b"): -1.0}, num_reads=1).first.energy == -2.0
    with pytest.raises(FormulationError, match="linear bias of 'a' is not a finite number"):
        sampler.sample_ising({"a": float("nan")}, {})


def test_senses_and_models() -> None:
    cqm = dimod.ConstrainedQuadraticModel()
    for make in (
        lambda: problem_from_bqm(BQM, "maximize"),  # type: ignore[arg-type]
        lambda: problem_from_cqm(cqm, "MAX"),  # type: ignore[arg-type]
        lambda: Problem(objective=BQM, decoder=dict, sense="MAX"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ArgumentError, match="sense must be 'min' or 'max', not str"):
            make()
    with pytest.raises(ArgumentError, match="cqm must be ConstrainedQuadraticModel, not BinaryQuadraticModel"):
        problem_from_cqm(BQM)
    with pytest.raises(ArgumentError, match="integers must be str, not int: 3"):
        problem_from_cqm(cqm, "max", 3)  # type: ignore[arg-type]
