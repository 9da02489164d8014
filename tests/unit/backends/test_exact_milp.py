"""`exact-milp`: optima with proof, bounds where the time ends, both forms of a problem."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_backends import exact_milp
from qubo_backends.exact_milp import ExactMilpBackend
from qubo_dnn.backend import make_options
from qubo_dnn.bounds.certificate import certify
from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_dnn.solving.solve import solve
from qubo_dnn.testing.backend_cases.models import all_states, rugged_model
from tests.unit.bounds.problems import optimum, random_problem
from tests.unit.bounds.test_certificate import layers


def solved(problem: Problem[Any], **values: Any) -> dimod.SampleSet:
    backend = ExactMilpBackend()
    return backend.sample_constrained(problem, make_options(backend, {"seed": 0} | values))


@pytest.mark.parametrize("sparse", [0.0, math.inf], ids=["convex", "linear"])
def test_optima_and_bounds_are_those_of_brute_force(sparse: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_milp, "_SPARSE", sparse)
    for seed in range(60):
        problem = random_problem(seed)
        least, found = optimum(problem), solved(problem)
        assert found.info["bound"] <= least
        if least == math.inf:
            assert (found.info["bound"], found.info["optimal"]) == (math.inf, False)
            continue
        energies = np.abs(list(problem.objective.linear.values())).sum()
        energies += np.abs(list(problem.objective.quadratic.values())).sum()
        assert found.info["optimal"], seed
        assert found.first.energy == pytest.approx(least, abs=1e-6 * (1.0 + float(energies)))
        assert found.info["bound"] == pytest.approx(least, abs=1e-6 * (1.0 + float(energies)))


@pytest.mark.parametrize("whole", [True, False], ids=["integers", "reals"])
def test_dense_models_without_constraints_are_proven_without_scip(whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExactMilpBackend, "_programmed", None)
    rng = np.random.default_rng(0)
    for n in [*range(8, 13)] * 3:
        entries = np.triu(rng.integers(-9, 10, (n, n)) if whole else rng.normal(size=(n, n)))
        bqm = dimod.BinaryQuadraticModel(entries.astype(float), "BINARY")
        least, found = float(bqm.energies(all_states(bqm)).min()), solved(Problem(objective=bqm, decoder=dict))
        assert found.info["optimal"]
        assert found.first.energy == pytest.approx(least, abs=1e-9)
        assert least - 1e-6 <= found.info["bound"] <= least


def rugged(n: int, seed: int, *, counted: bool) -> Problem[Any]:
    """A dense model, which has its own search where nothing is counted, and is for SCIP otherwise."""
    bqm = rugged_model(n, seed)
    count = dimod.BinaryQuadraticModel(dict.fromkeys(bqm.variables, 1.0), {}, 0.0, dimod.BINARY)
    constraints = {"most": Constraint(count, "<=", n - 1.0)} if counted else {}
    return Problem(objective=bqm, decoder=dict, constraints=constraints)


either = pytest.mark.parametrize("counted", [False, True], ids=["bare", "counted"])


@either
def test_a_gap_is_enough_where_it_is_asked_for(counted: bool) -> None:
    best, near = (solved(rugged(30, 1, counted=counted), gap=gap) for gap in (0.0, 0.5))
    assert near.info["bound"] <= best.info["bound"] + 1e-9 <= best.first.energy + 1e-6
    assert near.first.energy - near.info["bound"] <= 0.51 * abs(near.first.energy)
    assert near.info["nodes"] <= best.info["nodes"]


@either
def test_the_time_limit_leaves_the_best_so_far_and_its_bound(counted: bool) -> None:
    found = solved(rugged(150, 0, counted=counted), time_limit=2.0)
    assert not found.info["optimal"]
    assert -math.inf < found.info["bound"] < found.first.energy


def test_there_is_an_answer_within_the_constraints_however_short_the_time() -> None:
    problem = layers(0, sites=20)
    found = solved(problem, time_limit=0.05)
    assert problem.decode(dict(found.first.sample)).feasible
    assert -math.inf < found.info["bound"] <= found.first.energy


@either
def test_ctrl_c_leaves_the_best_so_far_and_its_bound(
    counted: bool, ctrl_c: Callable[[float], AbstractContextManager[None]]
) -> None:
    with ctrl_c(2.0):
        found = solved(rugged(150, 0, counted=counted))
    assert found.info["interrupted"]
    assert not found.info["optimal"]
    assert -math.inf < found.info["bound"] < found.first.energy


@either
def test_it_says_where_the_search_stands(counted: bool, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", logger="qubo_dnn.backend.exact-milp"):
        solved(rugged(20, 0, counted=counted))
    assert any("best" in text and "bound" in text for text in caplog.messages)


def test_solve_calls_it_once_for_native_constraints() -> None:
    bqm = rugged_model(10, 3)
    count = dimod.BinaryQuadraticModel(dict.fromkeys(bqm.variables, 1.0), {}, 0.0, dimod.BINARY)
    problem: Problem[Any] = Problem(objective=bqm, decoder=dict, constraints={"two": Constraint(count, "==", 2.0)})
    solution = solve(problem, ExactMilpBackend(), {"seed": 0})
    assert len(solution.calls) == 1
    assert solution.best.objective == pytest.approx(optimum(problem))


def test_a_correlated_knapsack_is_proven_at_the_root() -> None:
    rng = np.random.default_rng(7)
    weights = rng.integers(100, 1000, 100)
    left = dimod.BinaryQuadraticModel(dict(enumerate(weights.astype(float))), {}, 0.0, dimod.BINARY)
    objective = dimod.BinaryQuadraticModel(dict(enumerate(-weights - 100.0)), {}, 0.0, dimod.BINARY)
    problem: Problem[Any] = Problem(
        objective=objective,
        decoder=dict,
        sense="max",
        constraints={"capacity": Constraint(left, "<=", float(weights.sum() // 2))},
    )
    solution = solve(problem, ExactMilpBackend(), {"seed": 0})
    info = solution.sampleset.info
    assert (solution.best.objective, info["bound"], info["optimal"], info["nodes"]) == (35647.0, -35647.0, True, 0)


@pytest.mark.parametrize("unit", [1.0, 0.5, 0.01, 1.0 / 3.0, 1e-6, 1e13], ids=str)
def test_constraints_of_any_unit_are_kept(unit: float) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        left = dimod.BinaryQuadraticModel(rng.integers(1, 30, 9) * unit, np.zeros((9, 9)), 7.0 * unit, dimod.BINARY)
        objective = dimod.BinaryQuadraticModel(rng.integers(-30, 1, 9) * unit, np.zeros((9, 9)), 0.0, dimod.BINARY)
        for sense in ("<=", "==", ">="):
            limit = Constraint(left, sense, 50.0 * unit)
            problem: Problem[Any] = Problem(objective=objective, decoder=dict, constraints={"limit": limit})
            least, found = optimum(problem), solved(problem)
            assert found.info["optimal"] == math.isfinite(least)
            assert found.info["bound"] == pytest.approx(least, rel=1e-12)
            assert found.info["bound"] <= least


@either
def test_a_gap_that_was_asked_for_is_not_called_optimal(counted: bool) -> None:
    found = solved(rugged(30, 1, counted=counted), gap=5.0)
    assert found.info["optimal"] == (found.first.energy - found.info["bound"] < 1e-3 * abs(found.first.energy))


def test_conflicts_and_products_are_kept_natively() -> None:
    """A ring of five nodes needs three colours; the third is used where a node needs it."""
    colours = {f"node {i}": tuple((i, c) for c in range(3)) for i in range(5)}
    used: dict[Any, float] = {("used", c): 1.0 for c in range(3)}
    edges = {((i, c), ((i + 1) % 5, c)): 1.0 for i in range(5) for c in range(3)}
    members = {(i, c): 1.0 for i in range(5) for c in range(3)}
    needs = {((i, c), ("used", c)): -1.0 for i in range(5) for c in range(3)}
    objective = dimod.BinaryQuadraticModel({**dict.fromkeys(members, 0.0), **used}, {}, 0.0, dimod.BINARY)
    problem: Problem[Any] = Problem(
        objective=objective,
        decoder=dict,
        one_hot=colours,
        constraints={
            "edges": Constraint(dimod.BinaryQuadraticModel({}, edges, 0.0, dimod.BINARY), "==", 0.0),
            "colours": Constraint(dimod.BinaryQuadraticModel(members, needs, 0.0, dimod.BINARY), "==", 0.0),
        },
    )
    solution = solve(problem, ExactMilpBackend(), {"seed": 0})
    assert (solution.best.objective, solution.best.feasible, len(solution.calls)) == (3.0, True, 1)
    assert (solution.sampleset.info["bound"], solution.sampleset.info["optimal"]) == (3.0, True)
    known = certify(problem, 3.0, 60.0)
    assert (known.optimal, known.method) == (True, "exact-milp")


def quadratic_problem(seed: int) -> Problem[Any]:
    """A random problem with one or two constraints beside its own that are quadratic."""
    problem, rng = random_problem(seed), np.random.default_rng(seed + 1000)
    n, whole = len(problem.variables), seed % 2 == 0
    further = {}
    for k in range(int(rng.integers(1, 3))):
        pairs, linear = np.triu(rng.normal(size=(n, n)), 1), rng.normal(size=n)
        if whole:
            pairs, linear = np.round(2.0 * pairs), np.round(2.0 * linear)
        left = dimod.BinaryQuadraticModel(linear, pairs, 1.0, dimod.BINARY)
        right = float(np.quantile(left.energies((all_states(left), list(left.variables))), 0.4, method="nearest"))
        further[f"quadratic {k}"] = Constraint(left, ("<=", ">=", "==")[int(rng.integers(0, 3 if whole else 2))], right)
    return replace(problem, constraints={**problem.constraints, **further})


@pytest.mark.parametrize("sparse", [0.0, math.inf], ids=["convex", "linear"])
def test_quadratic_constraints_are_kept(sparse: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_milp, "_SPARSE", sparse)
    infeasible = 0
    for seed in range(60):
        problem = quadratic_problem(seed)
        least, found = optimum(problem), solved(problem)
        assert found.info["bound"] <= least
        if least == math.inf:
            infeasible += 1
            assert (found.info["bound"], found.info["optimal"]) == (math.inf, False), seed
            continue
        scale = 1.0 + sum(map(abs, (*problem.objective.linear.values(), *problem.objective.quadratic.values())))
        assert found.info["optimal"], seed
        assert found.first.energy == pytest.approx(least, abs=1e-6 * scale)
        assert found.info["bound"] == pytest.approx(least, abs=1e-6 * scale)
    assert 0 < infeasible < 40


def test_large_problems_are_refused() -> None:
    many = dimod.BinaryQuadraticModel(dict.fromkeys(range(3001), 1.0), {}, 0.0, dimod.BINARY)
    with pytest.raises(UnsupportedProblemError, match="3001"):
        solved(Problem(objective=many, decoder=dict))


def test_without_its_package_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['pyscipopt'] = None; from qubo_dnn.cli.main import main; "
    code += "sys.exit(main(['backends', 'show', 'exact-milp']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 6
    assert "pip install 'qubo-dnn[milp]'" in done.stderr
