"""The D-Wave backends against the stand-in: answers decoded, parameters passed on, limits kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.backend import make_options
from qubo_dnn.cli.main import main
from qubo_dnn.errors import OptionError, UnsupportedProblemError
from qubo_dnn.models.ocean_sampler import BackendSampler
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_dnn.testing.backend_cases.constraints import product_budget
from qubo_formulations.graph_coloring import GraphColoring
from qubo_formulations.knapsack import Knapsack
from qubo_formulations.max_cut import MaxCut
from tests.remote.service import StandIn

pytestmark = pytest.mark.slow

REMOTE = ("dwave-qpu", "dwave-hybrid", "dwave-hybrid-cqm")


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("formulation", [MaxCut, Knapsack, GraphColoring])
def test_solve_finds_the_optimum_of_an_example(stand_in: StandIn, name: str, formulation: Any) -> None:
    problem = formulation.example(1).compile()
    exact = solve(problem, get_backend("exact"), {"num_reads": 1})
    solution = solve(problem, get_backend(name))
    assert solution.best.feasible
    assert solution.best.objective == pytest.approx(exact.best.objective)
    assert solution.seed is None
    # Presolve may settle a round without asking anyone.
    assert len(stand_in.submitted) <= len(solution.calls)


def test_the_cqm_solver_is_given_the_constraints_themselves(stand_in: StandIn) -> None:
    problem = Knapsack.example(1).compile()
    solution = solve(problem, get_backend("dwave-hybrid-cqm"))
    assert [kind for kind, _ in stand_in.submitted] == ["cqm"]
    assert len(solution.calls) == 1
    assert not solution.repaired


def test_the_cqm_solver_keeps_a_quadratic_budget(stand_in: StandIn) -> None:
    problem = product_budget(0)
    solution = solve(problem, get_backend("dwave-hybrid-cqm"))
    assert [kind for kind, _ in stand_in.submitted] == ["cqm"]
    assert problem.to_cqm().constraints["budget"].lhs.num_interactions == 8
    assert (solution.best.feasible, solution.repaired, len(solution.calls)) == (True, False, 1)
    assert solution.best.objective == pytest.approx(solve(problem, get_backend("exact-milp")).best.objective)


def ring(n: int) -> dimod.BinaryQuadraticModel:
    return dimod.BinaryQuadraticModel({}, {(f"v{i}", f"v{(i + 1) % n}"): 1.0 for i in range(n)}, 0.0, dimod.SPIN)


def test_the_largest_qpu_is_asked_unless_one_is_named(stand_in: StandIn) -> None:
    for name, solver in (
        ("dwave-qpu", "Advantage_system6.4"),
        ("dwave-qpu:Advantage_system4.1", "Advantage_system4.1"),
    ):
        backend = get_backend(name)
        assert backend.sample(ring(5), make_options(backend, {"num_reads": 3})).info["solver"] == solver
    backend = get_backend("dwave-qpu")
    options = make_options(backend, {"num_reads": 3, "solver": "Advantage_system4.1"})
    assert backend.sample(ring(5), options).info["solver"] == "Advantage_system4.1"
    assert len(stand_in.submitted) == 3


def test_parameters_of_the_qpu_are_passed_on(stand_in: StandIn) -> None:
    backend = get_backend("dwave-qpu")
    values = {"num_reads": "10", "anneal_schedule": "0,0;10,0.4;20,1", "readout_thermalization": "5", "label": "mine"}
    found = backend.sample(ring(6), make_options(backend, values | {"num_spin_reversal_transforms": "3"}))
    # The client sends them in threads of its own.
    assert sorted(parameters["num_reads"] for _, parameters in stand_in.submitted) == [3, 3, 4]
    assert all(
        parameters["anneal_schedule"] == [[0, 0], [10, 0.4], [20, 1]] and parameters["readout_thermalization"] == 5
        for _, parameters in stand_in.submitted
    )
    assert {problem["label"] for problem in stand_in.problems.values()} == {"mine"}
    assert len(found) == 10
    assert len(found.info["problem_ids"]) == 3
    assert found.info["timing"]["qpu_access_time"] == 3 * 15_000 + 100 * 10
    # Gauges are undone: the ring of even length has an energy of -6.
    assert found.first.energy == -6.0
    labelled = BackendSampler("dwave-qpu").sample(ring(6), num_reads=3, label="of Ocean code")
    assert labelled.info["problem_label"] == "of Ocean code"
    assert [problem["label"] for problem in stand_in.problems.values()][-1] == "of Ocean code"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"fast_anneal": "true"}, "no parameter 'fast_anneal'"),
        ({"num_reads": "10001"}, "1 to 10000 reads"),
        ({"seed": "1"}, "seed"),
        ({"anneal_schedule": "0,0"}, "anneal_schedule"),
        ({"anneal_schedule": "fast"}, "anneal_schedule"),
    ],
)
def test_what_the_solver_cannot_do_is_refused(stand_in: StandIn, values: dict[str, str], text: str) -> None:
    backend = get_backend("dwave-qpu")
    with pytest.raises(OptionError, match=text):
        backend.sample(ring(4), make_options(backend, values))
    assert stand_in.submitted == []


@pytest.mark.usefixtures("stand_in")
def test_qubits_that_are_missing_are_not_used() -> None:
    backend = get_backend("dwave-qpu")
    found = backend.sample(
        dimod.BinaryQuadraticModel(np.triu(np.ones((20, 20)), 1), dimod.SPIN), make_options(backend, {})
    )
    assert found.info["embedder"] == "clique"
    assert len(found) == 100


def test_beyond_the_service_s_limits_nothing_is_uploaded(stand_in: StandIn) -> None:
    for solver in stand_in.solvers[2:]:
        solver["properties"]["maximum_number_of_variables"] = 9
    for name in ("dwave-hybrid", "dwave-hybrid-cqm"):
        backend = get_backend(name)
        with pytest.raises(UnsupportedProblemError, match=r"at most 9 variables, the problem has 10"):
            backend.sample(ring(10), make_options(backend, {}))
    assert not any("multipart" in path for _, path in stand_in.requests)


def test_the_time_limit_is_the_hybrid_solver_s_but_no_less_than_its_minimum(stand_in: StandIn) -> None:
    backend = get_backend("dwave-hybrid")
    for limit, sent in ((0.4, 0.4), (0.01, 0.05)):
        backend.sample(ring(4), make_options(backend, {"time_limit": limit}))
        assert stand_in.submitted[-1][1]["time_limit"] == pytest.approx(sent, abs=0.01)


@pytest.mark.parametrize("name", [*REMOTE, "qpu-emulator:pegasus:4"])
def test_the_command_line_solves_and_writes_json(
    stand_in: StandIn, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["solve", "graph-coloring", "--backend", name, "--json", str(tmp_path / "r.json")]) == 0
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["feasible"] is True
    assert found["backend"] == name.partition(":")[0]
    assert "objective" in capsys.readouterr().out
    assert bool(stand_in.submitted) is name.startswith("dwave")
