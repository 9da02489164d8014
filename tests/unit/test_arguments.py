"""What is called with something of another kind answers in one line that says what it takes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.backend import make_options
from qubo_dnn.black_box import solve_black_box
from qubo_dnn.errors import ArgumentError, FormulationError, OptionError
from qubo_dnn.models import problem_from_bqm, problem_from_cqm
from qubo_dnn.ocean import BackendSampler
from qubo_dnn.problem import Problem
from qubo_dnn.registry import backend_names, get_backend, get_formulation
from qubo_dnn.solve import solve, solve_locally

BQM = dimod.BinaryQuadraticModel({"a": 1.0}, {}, 0.0, "BINARY")
PROBLEM: Problem[Any] = problem_from_bqm(BQM)
MaxCut = get_formulation("max-cut")
# Name -> what is no problem, and what the error says of it.
NO_PROBLEMS: dict[str, tuple[Any, str]] = {
    "formulation": (MaxCut.example(0), r"not an object of the class MaxCut: call its compile\(\)"),
    "class": (MaxCut, "not the class MaxCut: make an instance"),
    "bqm": (BQM, "problem_from_bqm"),
    "cqm": (dimod.ConstrainedQuadraticModel(), "problem_from_cqm"),
    "file": ("model.lp", "not the text 'model.lp': see qubo_dnn.loading.load_problem"),
    "nothing": (None, r"not None: which a formulation's compile\(\) returns"),
    "dictionary": ({("a", "a"): 1.0}, "class dict"),
    "array": (np.eye(2), "class ndarray"),
}
NO_MODELS: dict[str, Any] = {
    **{name: given for name, (given, _) in NO_PROBLEMS.items() if name != "bqm"},
    "problem": PROBLEM,
    "quadratic model": dimod.QuadraticModel(),
}


@pytest.mark.parametrize("name", NO_PROBLEMS)
def test_what_is_no_problem(name: str) -> None:
    given, text = NO_PROBLEMS[name]
    for call in (
        lambda: solve(given, get_backend("exact")),
        lambda: solve_locally(given),
        lambda: solve_black_box(given, get_backend("genetic"), np.sum),
    ):
        with pytest.raises(ArgumentError, match=text) as caught:
            call()
        assert isinstance(caught.value, TypeError)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NO_MODELS)
def test_what_is_no_model(name: str) -> None:
    given = NO_MODELS[name]
    with pytest.raises(ArgumentError, match=r"a dimod.BinaryQuadraticModel is needed, not an object of the class"):
        BackendSampler("pt").sample(given)
    with pytest.raises(ArgumentError, match=r"a dimod.BinaryQuadraticModel is needed"):
        problem_from_bqm(given)
    with pytest.raises(ArgumentError, match=r"a dimod.BinaryQuadraticModel is needed"):
        Problem(objective=given, decoder=dict)


@pytest.mark.parametrize("backend", [name for name in backend_names() if not name.startswith("dwave-")])
def test_every_backend_refuses_what_is_no_model_or_no_problem(backend: str) -> None:
    able: Any = get_backend(backend)
    options = make_options(able, {})
    for given in (None, dimod.ConstrainedQuadraticModel(), PROBLEM):
        with pytest.raises(ArgumentError, match=r"a dimod.BinaryQuadraticModel is needed"):
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
        with pytest.raises(ArgumentError, match=r"a backend is needed, not .*get_backend\('pt'\)"):
            call()
    with pytest.raises(ArgumentError, match="a backend is needed, not the text 'pt'"):
        solve(PROBLEM, "pt")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="a backend is named by a text"):
        get_backend(given)
    with pytest.raises(ArgumentError, match="a formulation is named by a text"):
        get_formulation(given)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"options": 3},
            "options of backend 'exact' are a mapping from names to values, not an object of the class int",
        ),
        ({"options": [("num_reads", 3)]}, "options of backend 'exact' are a mapping"),
        ({"options": ""}, "options of backend 'exact' are a mapping"),
        ({"options": {3: 4}}, "backend 'exact' has no option 3"),
        ({"progress": 3}, "progress must be a function"),
        ({"keep": "3"}, "keep must be a whole number, not '3'"),
        ({"keep": 2.5}, "keep must be a whole number, not 2.5"),
        ({"keep": float("nan")}, "keep must be a whole number, not nan"),
        ({"keep": 0}, "keep must be at least 1, not 0"),
        ({"presolve": "no"}, "presolve must be True or False, not 'no'"),
        ({"inequalities": 3}, "an encoding of inequalities is named by a text"),
    ],
    ids=lambda value: "-".join(f"{key}={entry!r}" for key, entry in value.items()) if isinstance(value, dict) else "",
)
def test_other_arguments_of_solve(values: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionError, match=text):
        solve(PROBLEM, get_backend("exact"), **values)


def test_what_solve_takes_of_numpy() -> None:
    assert solve(PROBLEM, get_backend("exact"), keep=np.int64(2), presolve=np.bool_(False)).best.objective == 0.0  # type: ignore[arg-type]


NO_BIASES: dict[str, Callable[[BackendSampler], object]] = {
    "no ising": lambda sampler: sampler.sample_ising(None, None),  # type: ignore[arg-type]
    "numbers": lambda sampler: sampler.sample_ising(3, 4),  # type: ignore[arg-type]
    "text as bias": lambda sampler: sampler.sample_ising({"a": "x"}, {}),  # type: ignore[dict-item]
    "complex bias": lambda sampler: sampler.sample_ising({"a": 1j}, {}),  # type: ignore[dict-item]
    "coupling of one": lambda sampler: sampler.sample_ising({"a": 1.0}, {"b": 2.0}),  # type: ignore[dict-item]
    "no qubo": lambda sampler: sampler.sample_qubo(None),  # type: ignore[arg-type]
    "text as coefficient": lambda sampler: sampler.sample_qubo({("a", "b"): "x"}),  # type: ignore[dict-item]
    "three variables": lambda sampler: sampler.sample_qubo({("a", "b", "c"): 1.0}),  # type: ignore[dict-item]
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
    for make in (
        lambda: problem_from_bqm(BQM, "maximize"),  # type: ignore[arg-type]
        lambda: problem_from_cqm(dimod.ConstrainedQuadraticModel(), "MAX"),  # type: ignore[arg-type]
    ):
        with pytest.raises(FormulationError, match=r"sense 'min' or 'max', not 'maximize'|not 'MAX'"):
            make()
    with pytest.raises(ArgumentError, match=r"a dimod.ConstrainedQuadraticModel is needed"):
        problem_from_cqm(BQM)
    with pytest.raises(ArgumentError, match="an encoding of integers is named by a text"):
        problem_from_cqm(dimod.ConstrainedQuadraticModel(), "max", 3)  # type: ignore[arg-type]
