"""Every backend answers problems without variables, of one variable, or of one state."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import dimod
import pytest

from qubo_dnn.backend import Backend, make_options
from qubo_dnn.constraint import Constraint
from qubo_dnn.encodings.names import LAGRANGIAN
from qubo_dnn.errors import BackendUnavailableError
from qubo_dnn.models.dimod_models import problem_from_bqm, problem_from_cqm
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend, list_backends
from qubo_dnn.solving.solve import solve


def form(linear: Mapping[str, float], constant: float = 0.0) -> dimod.BinaryQuadraticModel:
    return dimod.BinaryQuadraticModel(dict(linear), {}, constant, "BINARY")


def fixed_integer(value: int, limit: float, sense: str = "<=", integers: str = "binary") -> Problem[Any]:
    """The maximum of 2 i with value <= i <= value."""
    cqm = dimod.ConstrainedQuadraticModel()
    i = dimod.Integer("i", lower_bound=value, upper_bound=value)
    cqm.set_objective(2 * i)
    cqm.add_constraint_from_model(i, sense, limit, label="c")
    return problem_from_cqm(cqm, "max", integers)


def fixed_and_free() -> Problem[Any]:
    """The maximum of i x + i with i = 2, i + x <= 2 and i^2 <= 4: there x is 0."""
    cqm = dimod.ConstrainedQuadraticModel()
    i, x = dimod.Integer("i", lower_bound=2, upper_bound=2), dimod.Binary("x")
    cqm.set_objective(i * x + i)
    cqm.add_constraint(i + x <= 2, label="sum")
    cqm.add_constraint(i * i <= 4, label="square")
    return problem_from_cqm(cqm, "max")


def problem(objective: dimod.BinaryQuadraticModel, groups: str = "", **constraints: Constraint) -> Problem[Any]:
    """With a one-hot group of one variable for every letter of `groups`."""
    one_hot = {f"group {each}": (each,) for each in groups}
    return Problem(objective=objective, decoder=dict, one_hot=one_hot, constraints=constraints)


COUNT = form({"a": 1.0, "b": 1.0, "x": 1.0})
# Name -> problem, its optimum, and whether it has a state within the constraints.
PROBLEMS: dict[str, tuple[Problem[Any], float, bool]] = {
    "no variables": (problem(form({}, 2.5)), 2.5, True),
    "no spins": (problem_from_bqm(dimod.BinaryQuadraticModel({}, {}, 1.0, "SPIN")), 1.0, True),
    "one variable": (problem(form({"x": -1.0})), -1.0, True),
    "one spin": (problem_from_bqm(dimod.BinaryQuadraticModel({"x": 1.0}, {}, 0.5, "SPIN")), -0.5, True),
    "one variable of no weight": (problem(form({"x": 0.0})), 0.0, True),
    "two variables without interaction": (problem(form({"x": 1.0, "y": -2.0})), -2.0, True),
    "fixed integer": (fixed_integer(3, 6.0), 6.0, True),
    "fixed integer, unary": (fixed_integer(3, 6.0, integers="unary"), 6.0, True),
    "fixed integer, one-hot": (fixed_integer(3, 6.0, integers="one-hot"), 6.0, True),
    "fixed integer, domain-wall": (fixed_integer(3, 6.0, integers="domain-wall"), 6.0, True),
    "fixed integer, met equality": (fixed_integer(3, 3.0, "=="), 6.0, True),
    "fixed integer, broken": (fixed_integer(3, 2.0), 6.0, False),
    "fixed integer, broken equality": (fixed_integer(3, 2.0, "=="), 6.0, False),
    "fixed at zero": (fixed_integer(0, 0.0), 0.0, True),
    "fixed and free": (fixed_and_free(), 2.0, True),
    "group of one": (problem(form({"a": 4.0}), "a"), 4.0, True),
    "groups of one and a limit": (
        problem(form({"a": 4.0, "b": 1.0, "x": -1.0}), "ab", c=Constraint(COUNT, "<=", 2.0)),
        5.0,
        True,
    ),
    "groups of one beyond a limit": (
        problem(form({"a": 4.0, "b": 1.0}), "ab", c=Constraint(form({"a": 1.0, "b": 1.0}), "<=", 1.0)),
        5.0,
        False,
    ),
    "0 <= 1": (problem(form({"x": -1.0}), c=Constraint(form({}), "<=", 1.0)), -1.0, True),
    "1 == 1": (problem(form({"x": -1.0}), c=Constraint(form({}, 1.0), "==", 1.0)), -1.0, True),
    "0 == 1": (problem(form({"x": -1.0}), c=Constraint(form({}), "==", 1.0)), -1.0, False),
    "2 <= 1": (problem(form({"x": -1.0}), c=Constraint(form({"x": 0.0}, 2.0), "<=", 1.0)), -1.0, False),
    "nothing but 0 >= 1": (problem(form({}, 1.0), c=Constraint(form({}), ">=", 1.0)), 1.0, False),
    "nothing but 0 <= 1": (problem(form({}, 1.0), c=Constraint(form({}), "<=", 1.0)), 1.0, True),
    "fixed by an inequality": (
        problem(form({"x": -1.0, "y": -1.0}), c=Constraint(form({"x": 1.0, "y": 1.0}), "<=", 0.0)),
        0.0,
        True,
    ),
    "fixed by an equality": (
        problem(form({"x": 1.0, "y": 1.0}), c=Constraint(form({"x": 1.0, "y": 1.0}), "==", 2.0)),
        2.0,
        True,
    ),
}
SLACKS = ("slack", "slack:unary", "slack:one-hot", "slack:domain-wall", "slack:bounded-coefficient:2")


def installed(name: str, request: pytest.FixtureRequest) -> Backend:
    try:
        backend = get_backend(name)
    except BackendUnavailableError as cause:
        pytest.skip(str(cause))
    if backend.capabilities.remote:
        request.getfixturevalue("stand_in")
    return backend


def options(backend: Backend) -> dict[str, Any]:
    return {"num_reads": 3, "seed": 1} if backend.capabilities.seeded else {}


# Backends whose every call takes a tenth of a second or more; for them, a case of each kind is enough in haste.
LENGTHY = frozenset({"dwave-hybrid", "dwave-hybrid-cqm", "dwave-qpu", "qaoa", "qpu-emulator", "reinforcement", "rqaoa"})
SHORT = frozenset({"no variables", "one spin", "one variable of no weight", "fixed and free", "2 <= 1"})


def cases() -> list[Any]:
    """Every case of every backend."""
    return [
        pytest.param(name, case, marks=pytest.mark.slow if name in LENGTHY and case not in SHORT else ())
        for name, case in itertools.product(list_backends(), PROBLEMS)
    ]


@pytest.mark.parametrize("presolve", [True, False], ids=["presolve", "no presolve"])
@pytest.mark.parametrize(("name", "case"), cases())
def test_solve(name: str, case: str, presolve: bool, request: pytest.FixtureRequest) -> None:
    backend = installed(name, request)
    given, optimum, feasible = PROBLEMS[case]
    best = solve(given, backend, options(backend), presolve=presolve).best
    assert best.objective == pytest.approx(optimum)
    assert best.feasible == feasible


@pytest.mark.parametrize("inequalities", [LAGRANGIAN, *SLACKS, "unbalanced"])
@pytest.mark.parametrize("name", ["neal", "exact"])
def test_solve_with_every_form_of_inequalities(name: str, inequalities: str, request: pytest.FixtureRequest) -> None:
    """Of backends that keep none: all others get the same models."""
    backend = installed(name, request)
    for given, optimum, feasible in PROBLEMS.values():
        for presolve in (True, False):
            best = solve(given, backend, options(backend), presolve=presolve, inequalities=inequalities).best
            assert best.objective == pytest.approx(optimum)
            assert best.feasible == feasible


@pytest.mark.parametrize(("name", "case"), cases())
def test_sample(name: str, case: str, request: pytest.FixtureRequest) -> None:
    backend: Any = installed(name, request)
    given, optimum, feasible = PROBLEMS[case]
    settings = make_options(backend, options(backend))
    found = backend.sample(given.objective, settings)
    assert list(found.variables) == list(given.variables)
    bare = solve(Problem(objective=given.objective, decoder=dict), get_backend("exact")).best.objective
    assert found.first.energy == pytest.approx(bare)
    if given.constraint_kinds and backend.capabilities.native_constraints and backend.capabilities.supports(given):
        decoded = given.decode(backend.sample_constrained(given, settings).first.sample)
        assert decoded.feasible == feasible
        # Where there is no state within the constraints, nothing is promised of the energy.
        assert not feasible or decoded.objective == pytest.approx(optimum)
