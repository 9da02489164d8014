"""Constraints that hold or are broken whatever the variables are, and problems without variables."""

from __future__ import annotations

from dataclasses import replace

import dimod
import pytest

from qubo_dnn.constraint import Constraint, Sense
from qubo_dnn.models.dimod_models import problem_from_cqm
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.local_answer import solve_locally
from qubo_dnn.solving.solve import solve

BACKENDS = ["exact", "exact-milp", "pt", "neal", "tabu", "genetic", "steepest-descent"]


def problem(constant: Constraint) -> Problem[dict[object, int]]:
    """Choose at most two of three, the more the better, and a constraint that nobody can change."""
    objective = dimod.BinaryQuadraticModel({"x": -1.0, "y": -2.0, "z": -4.0}, {}, 0.0, dimod.BINARY)
    some = dimod.BinaryQuadraticModel({"x": 1.0, "y": 1.0, "z": 1.0}, {}, 0.0, dimod.BINARY)
    return Problem(
        objective=objective, decoder=dict, constraints={"need": constant, "some": Constraint(some, "<=", 2.0)}
    )


def constant(sense: Sense, rhs: float, terms: bool = False) -> Constraint:
    model = dimod.BinaryQuadraticModel({"x": 0.0}, {("x", "y"): 0.0}, 0.0, dimod.BINARY)
    return Constraint(model if terms else dimod.BinaryQuadraticModel(dimod.BINARY), sense, rhs)


def need(backend: str) -> None:
    module = {"exact-milp": "pyscipopt", "genetic": "pymoo"}.get(backend)
    if module:
        pytest.importorskip(module)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("sense", "terms"), [("==", False), (">=", True)])
def test_nothing_equals_one_is_reported_by_its_name(backend: str, sense: Sense, terms: bool) -> None:
    need(backend)
    options = {} if backend == "exact" else {"seed": 0, "num_reads": 2}
    found = solve(problem(constant(sense, 1.0, terms)), get_backend(backend), options)
    assert dict(found.best.violations) == {"need": 1.0}
    assert found.best.objective == -6.0
    assert len(found.candidates) == 1
    assert {done.objective for done in found.calls} == {None}


@pytest.mark.parametrize("inequalities", ["lagrangian", "slack", "unbalanced"])
@pytest.mark.parametrize("presolve", [True, False], ids=["presolve", "as-it-is"])
@pytest.mark.parametrize(("sense", "rhs", "feasible"), [("==", 1.0, False), ("<=", 1.0, True), ("==", 0.0, True)])
def test_however_inequalities_are_expressed(
    inequalities: str, presolve: bool, sense: Sense, rhs: float, feasible: bool
) -> None:
    given = problem(constant(sense, rhs))
    found = solve(given, get_backend("exact"), {}, presolve=presolve, inequalities=inequalities)
    assert (found.best.feasible, found.best.objective) == (feasible, -6.0)


def test_a_problem_that_is_asked_has_no_constants() -> None:
    given = problem(constant("==", 1.0))
    assert list(given.without_constants().constraints) == ["some"]
    assert list(given.constraints) == ["need", "some"]
    assert given.without_constants().without_constants() == given.without_constants()
    cqm = given.to_cqm()
    assert not cqm.check_feasible({"x": 0, "y": 0, "z": 0})


def test_an_answer_without_a_backend_tells_of_constants_alone() -> None:
    alone = replace(problem(constant("==", 1.0)), constraints={"need": constant("==", 1.0)})
    found = solve_locally(alone)
    assert (found.objective, dict(found.violations)) == (-7.0, {"need": 1.0})


@pytest.mark.parametrize("backend", BACKENDS)
def test_fixed_integers_leave_constants(backend: str) -> None:
    need(backend)
    cqm = dimod.ConstrainedQuadraticModel()
    x, i = dimod.Binary("x"), dimod.Integer("i", lower_bound=3, upper_bound=3)
    cqm.set_objective(-x - 2 * i)
    cqm.add_constraint(i + 0 * x <= 2.5, label="never")
    cqm.add_constraint(i - 3 * x >= 0, label="free")
    found = solve(problem_from_cqm(cqm), get_backend(backend), {} if backend == "exact" else {"seed": 0})
    assert (found.best.value, found.best.objective) == ({"x": 1, "i": 3}, -7.0)
    assert dict(found.best.violations) == {"never": 0.5}
