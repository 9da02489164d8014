from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from torch import nn

from bench.solvers import constrained
from bench.solvers.applications import grid
from bench.solvers.constrained import Relaxing, Way, assignments, networks, seconds_to
from qubo_dnn.backend import Backend
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solution import Solution
from qubo_dnn.solving.solve import solve
from qubo_formulations.quadratic_assignment import QuadraticAssignment


def test_both_backends_reach_the_optimum_of_a_small_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is; only the run that tells the unknown optimum takes all of its time."""

    def briefly(problem: Problem[Any], backend: Backend, options: dict[str, Any]) -> Solution[Any]:
        return solve(problem, backend, options | {"time_limit": 0.5} if options["seed"] == 1000 else options)

    monkeypatch.setattr(constrained, "solve", briefly)
    formulation = QuadraticAssignment(*grid(2, 3, 1))
    best = min(formulation.cost(places) for places in permutations(range(6)))
    rows = list(assignments({"known": (formulation, best), "unknown": (formulation, None)}, [0, 1], 100.0))
    assert len(rows) == 8
    assert {row["found"] for row in rows} == {row["target"] for row in rows} == {best}
    assert all(row["seconds"] > 0.0 for row in rows)


def test_what_is_out_of_reach_is_told_from_what_is_not() -> None:
    problem = QuadraticAssignment(*grid(2, 2, 0)).compile()
    for name in ("pt", "tabu"):
        _, found = seconds_to(problem, get_backend(name), -1.0, 0, 0.1)
        assert found >= 0.0


def test_ways_on_a_network_keep_the_budget(monkeypatch: pytest.MonkeyPatch, network: nn.Module, images: Data) -> None:
    """One so small that both find the same within their time, on however slow a machine."""
    monkeypatch.setattr(constrained, "load", lambda _: (network, images, None))
    ways = [Way("native", get_backend("pt"), "lagrangian", 1.0), Way("relaxed", Relaxing(), "lagrangian", 1.0)]
    rows = list(networks(None, 3.0, [0], ways))
    assert [row["feasible"] for row in rows] == [True, True]
    assert rows[0]["objective"] <= rows[1]["objective"] * (1.0 + 1e-2)
