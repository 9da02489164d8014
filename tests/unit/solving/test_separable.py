from __future__ import annotations

import dimod
import pytest

from qubo_dnn.bounds.certificate import certify
from qubo_dnn.bounds.proof import REDUCED_COSTS
from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import OptionError, UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend, get_formulation
from qubo_dnn.solving.separable import DIRECT, solve_separable
from qubo_dnn.solving.solve import solve
from qubo_formulations.knapsack import Knapsack


def linear(biases: dict[str, float], offset: float = 0.0) -> dimod.BinaryQuadraticModel:
    return dimod.BinaryQuadraticModel(biases, {}, offset, "BINARY")


def knapsack(items: int = 30) -> Problem[frozenset[int]]:
    values, weights = [float(17 * n % 23 + 5) for n in range(items)], [11 * n % 19 + 3 for n in range(items)]
    return Knapsack(values=values, weights=weights, capacity=sum(weights) // 3).compile()


@pytest.mark.parametrize("seed", range(5))
def test_answers_are_those_of_enumeration(seed: int) -> None:
    problem = get_formulation("knapsack").example(seed).compile()
    found = solve_separable(problem, 4)
    assert found is not None
    assert found.best.objective == solve(problem, get_backend("exact")).best.objective
    assert found.sampleset.info["optimal"]
    assert (found.backend, found.seed, found.calls) == (DIRECT, None, ())
    objectives = [each.objective for each in found.candidates]
    assert objectives == sorted(objectives, reverse=True)
    assert all(each.feasible for each in found.candidates)


def test_groups_offsets_and_lower_limits_are_kept() -> None:
    problem = Problem(
        objective=linear({"a": 1.0, "b": 3.0, "c": -2.0, "d": 0.5}, 10.0),
        decoder=dict,
        one_hot={"one": ("a", "b")},
        constraints={"least": Constraint(linear({"b": 2.0, "c": -1.0, "d": 1.0}), ">=", 1.0)},
    )
    found = solve_separable(problem)
    assert found is not None
    assert found.best.value == {"a": 0, "b": 1, "c": 1, "d": 0}
    assert found.best.objective == 11.0
    assert found.sampleset.info["bound"] == pytest.approx(11.0)


def test_without_an_answer_there_is_none() -> None:
    problem = Problem(
        objective=linear({"a": 1.0, "b": 3.0}),
        decoder=dict,
        constraints={"most": Constraint(linear({"a": 1.0, "b": 1.0}), ">=", 3.0)},
    )
    assert solve_separable(problem) is None


def test_others_are_refused() -> None:
    with pytest.raises(UnsupportedProblemError, match="not separable"):
        solve_separable(get_formulation("max-cut").example(0).compile())
    with pytest.raises(OptionError, match="num_solutions must be at least 1, not 0"):
        solve_separable(knapsack(), 0)


def test_certificates_of_other_answers_use_reduced_costs() -> None:
    problem = knapsack()
    best = solve_separable(problem)
    assert best is not None
    certificate = certify(problem, -best.best.objective, 5.0)
    assert (certificate.optimal, certificate.method) == (True, REDUCED_COSTS)
    worse = certify(problem, 1.0 - best.best.objective, 5.0)
    assert worse.gap == pytest.approx(1.0 / (best.best.objective - 1.0))
