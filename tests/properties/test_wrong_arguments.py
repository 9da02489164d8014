"""Whatever public functions are given, they end in an answer or in one readable line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dimod
import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from qubo_dnn.adapters.graphs import max_cut
from qubo_dnn.backend import make_options
from qubo_dnn.bounds.certificate import certify, check_time, enumerated
from qubo_dnn.constraint import Constraint
from qubo_dnn.conversion import to_problem
from qubo_dnn.embedding.backend_model import make_backend_model
from qubo_dnn.embedding.diagnosis import DiagnosisSettings, diagnose
from qubo_dnn.embedding.embedding import load_embedding
from qubo_dnn.embedding.target import target
from qubo_dnn.errors import QuboDnnError
from qubo_dnn.files.common.model import Model
from qubo_dnn.files.formats import by_suffix, get_format, read_model, split_number, write_model
from qubo_dnn.loading import load_model, load_problem
from qubo_dnn.models.arrays import problem_from_matrix, problem_from_terms
from qubo_dnn.models.dimod_models import problem_from_bqm, problem_from_cqm
from qubo_dnn.models.more_dimod_models import (
    problem_from_dqm,
    problem_from_polynomial,
    problem_from_quadratic_model,
)
from qubo_dnn.models.ocean_sampler import BackendSampler
from qubo_dnn.models.pyqubo_models import problem_from_pyqubo
from qubo_dnn.parameters import make_parameters
from qubo_dnn.problem import LowRank, Problem
from qubo_dnn.registry import get_backend, get_formulation, list_backends, list_formulations
from qubo_dnn.solving.black_box import check_black_box, solve_black_box
from qubo_dnn.solving.comparison import Contender, compare, summarise
from qubo_dnn.solving.local_answer import solve_locally
from qubo_dnn.solving.solve import check_solvable, solve
from tests.drawn import drawn
from tests.properties.wrong import seeds, some_wrong

pytestmark = pytest.mark.slow

MODEL = dimod.BinaryQuadraticModel({"a": 1.0, "b": -1.0}, {("a", "b"): 1.0}, 0.0, dimod.BINARY)
PROBLEM = problem_from_bqm(MODEL)
BACKEND = get_backend("steepest-descent")
SAMPLER = BackendSampler(BACKEND)

# Every one with arguments that are right; a file that a function writes goes to a folder of its own.
FUNCTIONS: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (solve, {"problem": PROBLEM, "backend": BACKEND, "options": {"seed": 1, "num_reads": 2}}),
    (solve_locally, {"problem": PROBLEM}),
    (check_solvable, {"problem": PROBLEM, "backend": BACKEND}),
    (solve_black_box, {"problem": PROBLEM, "backend": BACKEND, "energies": len}),
    (check_black_box, {"backend": BACKEND}),
    (certify, {"problem": PROBLEM, "energy": -1.0, "time_limit": 0.1, "seed": 0}),
    (enumerated, {"problem": PROBLEM, "energy": -1.0}),
    (check_time, {"time_limit": 1.0}),
    (compare, {"problem": PROBLEM, "contenders": [], "time_limit": 0.01, "seeds": [0], "progress": None}),
    (Contender.parse, {"text": "exact"}),
    (summarise, {"records": [], "sense": "min"}),
    (load_problem, {"text": "max-cut", "parameters": {}, "format_name": None, "sense": None}),
    (load_model, {"text": "max-cut", "format_name": None}),
    (get_format, {"name": "lp"}),
    (by_suffix, {"path": Path("x.lp")}),
    (split_number, {"path": Path("x#1")}),
    (read_model, {"path": Path("model.lp"), "format_name": "lp"}),
    (write_model, {"value": Model(MODEL), "path": Path("model.coo"), "format_name": None}),
    (problem_from_bqm, {"bqm": MODEL, "sense": "min"}),
    (problem_from_cqm, {"cqm": dimod.ConstrainedQuadraticModel(), "sense": "min", "integers": "binary"}),
    (problem_from_pyqubo, {"source": None, "sense": "min", "feed_dict": None}),
    (to_problem, {"what": MODEL, "formulation": None, "sense": "min", "integers": "binary", "feed_dict": None}),
    (problem_from_matrix, {"matrix": [[1.0]], "sense": "min"}),
    (problem_from_terms, {"terms": {("a", "b", "c"): 1.0}, "sense": "min"}),
    (problem_from_polynomial, {"polynomial": dimod.BinaryPolynomial({"a": 1.0}, "SPIN"), "sense": "min"}),
    (problem_from_dqm, {"dqm": dimod.DiscreteQuadraticModel(), "sense": "min"}),
    (problem_from_quadratic_model, {"model": dimod.QuadraticModel(), "sense": "min", "integers": "binary"}),
    (max_cut, {"graph": nx.path_graph(2), "backend": "exact", "certify": 0.01, "num_reads": 2}),
    (get_backend, {"name": "exact"}),
    (get_formulation, {"name": "max-cut"}),
    (partial(make_options, BACKEND), {"values": {"seed": 1}}),
    (make_parameters, {"formulation": get_formulation("knapsack"), "values": {"capacity": 3}, "data": True}),
    (BackendSampler, {"backend": "exact"}),
    (SAMPLER.sample, {"bqm": MODEL, "num_reads": 2, "seed": 1}),
    (SAMPLER.sample_ising, {"h": {"a": 1.0}, "J": {}, "num_reads": 2}),
    (SAMPLER.sample_qubo, {"Q": {("a", "a"): 1.0}, "num_reads": 2}),
    (Problem, {"objective": MODEL, "decoder": dict, "one_hot": {}, "constraints": {}, "sense": "min", "penalties": {}}),
    (LowRank, {"variables": ("a",), "factor": np.ones((1, 2), np.float32)}),
    (Constraint, {"lhs": MODEL, "sense": "<=", "rhs": 1.0, "one_sided": False}),
    (target, {"text": "chimera:2", "defects": 0.0, "seed": 0}),
    (make_backend_model, {"problem": PROBLEM, "inequalities": "lagrangian", "presolve": True}),
    (
        diagnose,
        {"model": make_backend_model(PROBLEM), "target": target("chimera:2"), "settings": DiagnosisSettings(reads=2)},
    ),
    (load_embedding, {"path": Path("embedding.json"), "source": nx.Graph(), "target": target("chimera:2")}),
]

DATA: dict[str, dict[str, Any]] = {
    "binary-least-squares": {"matrix": [[1.0, 2.0]], "target": [1.0]},
    "bin-packing": {"sizes": [1, 2], "capacity": 3, "bins": 2},
    "exact-cover": {"sets": [[1], [2]], "costs": [1.0, 2.0]},
    "feature-selection": {"relevance": [1.0, 2.0], "redundancy": [[0.0, 1.0], [1.0, 0.0]], "features": 1},
    "graph-coloring": {"graph": [(0, 1)], "colors": 2},
    "job-shop-scheduling": {"jobs": [[(0, 1)]], "horizon": 2},
    "knapsack": {"values": [1.0, 2.0], "weights": [1, 2], "capacity": 2},
    "max-sat": {"clauses": [[1, -2]], "weights": [1.0], "variables": 2},
    "multi-knapsack": {"values": [1.0, 2.0], "weights": [1, 2], "capacities": [2]},
    "number-partitioning": {"numbers": [1, 2]},
    "portfolio-selection": {"returns": [1.0], "covariance": [[1.0]], "assets": 1, "risk_aversion": 1.0},
    "quadratic-assignment": {"flow": [[0, 1], [1, 0]], "distance": [[0, 1], [1, 0]]},
    "quadratic-knapsack": {"profits": [[1.0]], "weights": [1], "capacity": 1},
    "set-cover": {"sets": [[1], [2]], "costs": [1.0, 2.0]},
    "set-packing": {"sets": [[1], [2]], "values": [1.0, 2.0]},
    "travelling-salesman": {"distances": [[0, 1, 2], [1, 0, 3], [2, 3, 0]]},
}


def call(function: Callable[..., Any], right: dict[str, Any], wrong: dict[str, Any]) -> Any:
    """The function's value, None where it refuses in one line."""
    try:
        return function(**{**right, **wrong})
    except QuboDnnError as refused:
        said = str(refused)
    assert said
    assert "\n" not in said
    return None


def named(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", "make_options"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written goes to a folder of the test's own."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("function", "right"), FUNCTIONS, ids=[named(function) for function, _ in FUNCTIONS])
@settings(max_examples=drawn(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=seeds)
def test_a_function_answers_or_refuses_in_one_line(
    function: Callable[..., Any], right: dict[str, Any], seed: int
) -> None:
    wrong = some_wrong(list(right), seed)
    call(function, right, wrong)


@pytest.mark.parametrize("name", list_formulations())
@settings(max_examples=drawn(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=seeds)
def test_a_formulation_compiles_or_refuses_in_one_line(name: str, seed: int) -> None:
    formulation = get_formulation(name)
    parameters = list(inspect.signature(formulation).parameters)
    wrong = some_wrong(parameters, seed)
    right = DATA.get(name, {"graph": [(0, 1)]} if "graph" in parameters else {"task": None})
    made = call(formulation, right, wrong)
    if made is not None:
        call(made.compile, {}, {})


@pytest.mark.parametrize("name", list_backends())
@settings(max_examples=drawn(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=seeds)
def test_a_backend_takes_options_or_refuses_them_in_one_line(name: str, seed: int) -> None:
    backend = get_backend(name)
    wrong = some_wrong(list(backend.options_type.model_fields), seed)
    call(make_options, {"backend": backend, "values": {}}, {"values": wrong})
