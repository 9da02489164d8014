"""Problems, backends, solutions and errors go from process to process, and can be copied."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn import errors
from qubo_dnn.backend import Backend, make_options
from qubo_dnn.bounds.certificate import certify
from qubo_dnn.errors import BackendUnavailableError, QuboDnnError, UnknownNameError
from qubo_dnn.models.dimod_models import problem_from_bqm, problem_from_cqm
from qubo_dnn.models.ocean_sampler import BackendSampler
from qubo_dnn.problem import LowRank, Problem
from qubo_dnn.registry import get_backend, get_formulation, list_backends, list_formulations
from qubo_dnn.solving.solution import Solution
from qubo_dnn.solving.solve import solve

pytestmark = pytest.mark.slow

COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda each: pickle.loads(pickle.dumps(each)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
ERRORS = sorted(
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, QuboDnnError)
)


def model() -> dimod.BinaryQuadraticModel:
    return dimod.BinaryQuadraticModel({"a": 1.0, "b": -2.0, "c": 0.5}, {"ab": 1.5, "bc": -1.0}, 0.25, "BINARY")


def program() -> dimod.ConstrainedQuadraticModel:
    """Two integers, a one-hot group and a budget; the maximum of 9 is at i = 3, j = 2 and the second choice."""
    cqm = dimod.ConstrainedQuadraticModel()
    i, j = dimod.Integer("i", upper_bound=3), dimod.Integer("j", lower_bound=-1, upper_bound=2)
    second = dimod.Binary("x1")
    cqm.set_objective(2 * i + j + second)
    cqm.add_constraint(i + j <= 5, label="budget")
    cqm.add_discrete(["x0", "x1"], label="choice")
    return cqm


def installed(name: str, request: pytest.FixtureRequest) -> Backend:
    try:
        backend = get_backend(name)
    except BackendUnavailableError as cause:
        pytest.skip(str(cause))
    if backend.capabilities.remote:
        request.getfixturevalue("stand_in")
    return backend


def options(backend: Backend, seed: int) -> dict[str, int]:
    return {"seed": seed} if backend.capabilities.seeded else {}


def solve_one_seed(problem: Problem[Any], backend: Backend, seed: int) -> Solution[Any]:
    return solve(problem, backend, options(backend, seed))


def check_same(problem: Problem[Any], other: Problem[Any]) -> None:
    for name in ("objective", "one_hot", "constraints", "penalties", "sense", "low_rank", "variables", "kinds"):
        assert getattr(other, name) == getattr(problem, name), name
    sample = dict.fromkeys(problem.variables, 0)
    assert other.decode(sample) == problem.decode(sample)


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("name", list_formulations())
def test_a_formulation_and_its_problem(name: str, way: str) -> None:
    formulation = get_formulation(name).example(0)
    problem = formulation.compile()
    # Also with what it has computed by now.
    assert problem.kinds is problem.kinds
    check_same(problem, COPIES[way](problem))
    check_same(problem, COPIES[way](formulation).compile())


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("integers", ["binary", "unary", "one-hot", "domain-wall"])
def test_problems_of_models(integers: str, way: str) -> None:
    cqm = program()
    problem = problem_from_cqm(cqm, "max", integers)
    check_same(problem, COPIES[way](problem))
    assert COPIES[way](problem) == problem
    spins = problem_from_bqm(model().change_vartype("SPIN", inplace=False))
    assert COPIES[way](spins) == spins


def test_a_low_rank_form() -> None:
    form = LowRank(("a", "b"), np.array([[1.0, 2.0], [0.5, 0.0]], np.float32))
    other = LowRank(("a", "b"), np.zeros((2, 2), np.float32))
    for way in COPIES.values():
        assert way(form) == form != other


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("name", list_backends())
def test_a_backend_draws_the_same_samples(name: str, way: str, request: pytest.FixtureRequest) -> None:
    backend = installed(name, request)
    settings = make_options(backend, options(backend, 3))
    assert COPIES[way](settings) == settings
    before = COPIES[way](backend)
    expected = backend.sample(model(), settings)
    for each in (before, COPIES[way](backend)):
        assert each.capabilities == backend.capabilities
        assert each.sample(model(), settings).record.sample.tolist() == expected.record.sample.tolist()
    sampler = COPIES[way](BackendSampler(backend))
    assert sampler.sample(model(), **options(backend, 3)).record.sample.tolist() == expected.record.sample.tolist()
    assert COPIES[way](expected) == expected


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("name", list_backends())
def test_a_solution(name: str, way: str, request: pytest.FixtureRequest) -> None:
    solution = solve_one_seed(problem_from_bqm(model()), installed(name, request), 1)
    assert COPIES[way](solution) == solution


def test_a_certificate() -> None:
    certificate = certify(problem_from_bqm(model()), -2.25, 5.0)
    for way in COPIES.values():
        assert way(certificate) == certificate


@pytest.mark.parametrize("name", ERRORS)
def test_an_error(name: str) -> None:
    kind = getattr(errors, name)
    error = kind("backend", "pd", ["tabu", "pt"]) if issubclass(kind, UnknownNameError) else kind("what is wrong")
    for way in COPIES.values():
        other = way(error)
        assert type(other) is kind
        assert (str(other), other.args, vars(other)) == (str(error), error.args, vars(error))


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_pool_of_processes_solves_seed_by_seed(method: str, request: pytest.FixtureRequest) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method}")
    problem = problem_from_cqm(program(), "max")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        for name in ("pt", "tabu", "exact-milp"):
            backend = installed(name, request)
            here = [solve_one_seed(problem, backend, seed) for seed in (1, 2)]
            there = list(pool.map(partial(solve_one_seed, problem, backend), (1, 2), timeout=3600))
            assert [each.best.objective for each in there] == [9.0, 9.0]
            assert [each.best for each in there] == [each.best for each in here]
            assert [each.sample for each in there] == [each.sample for each in here]
        with pytest.raises(errors.UnknownBackendError, match="did you mean 'pt'"):
            pool.submit(get_backend, "ptt").result(3600)
