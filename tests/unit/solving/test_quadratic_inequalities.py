"""Backends that keep a quadratic inequality are called within it first, and then at a price for it."""

from __future__ import annotations

from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.constraint import Constraint, ConstraintKind
from qubo_dnn.models.dimod_models import problem_from_bqm
from qubo_dnn.problem import Problem
from qubo_dnn.solving.solve import MAX_CALLS
from tests.unit.solving.scripted import Rows, Scripted, as_it_is, ground_state, zeros

KINDS = frozenset(ConstraintKind)


def product_budget(rhs: float) -> Problem[Any]:
    """Two layers of three channels: keep what is worth most with at most `rhs` products of an input and an output."""
    worth = dimod.BinaryQuadraticModel(
        dict(zip("abcxyz", [-5.0, -3.0, -2.0, -4.0, -2.5, -1.0], strict=True)), {}, 0.0, "BINARY"
    )
    products = dimod.BinaryQuadraticModel({}, {(i, j): 1.0 for i in "abc" for j in "xyz"}, 0.0, "BINARY")
    plain = problem_from_bqm(worth)
    return Problem(objective=worth, decoder=plain.decoder, constraints={"macs": Constraint(products, "<=", rhs)})


def first_nothing(call: int, bqm: Any) -> Rows:
    return zeros(call, bqm) if call == 1 else ground_state(call, bqm)


def test_prices_find_what_a_backend_misses_within_the_inequality() -> None:
    problem = product_budget(3.0)
    backend = Scripted(first_nothing, KINDS)
    solution = as_it_is(problem, backend, {"time_limit": 6000.0})
    assert [len(each.constraints) for each in backend.problems] == [1]
    assert solution.calls[0].multipliers == {}
    assert all(call.multipliers["macs"] > 0.0 for call in solution.calls[1:])
    assert 2 <= len(solution.calls) <= MAX_CALLS
    states = np.array(np.meshgrid(*[[0, 1]] * 6)).reshape(6, -1).T
    within = states[problem.constraints["macs"].lhs.energies((states, list("abcxyz"))) <= 3.0]
    assert solution.best.feasible
    assert solution.best.objective == pytest.approx(problem.objective.energies((within, list("abcxyz"))).min())


def test_half_of_the_time_is_left_for_prices() -> None:
    backend = Scripted(first_nothing, KINDS)
    as_it_is(product_budget(3.0), backend, {"time_limit": 6000.0})
    # A tenth of the limit is for local moves on the answer.
    assert backend.options[0].time_limit == pytest.approx(2700.0, abs=60.0)


def test_an_answer_within_the_inequality_is_never_lost() -> None:
    """The first answer is the optimum, and all that follow are worthless."""
    best = {"a": 1, "b": 1, "c": 1, "x": 1}

    def script(call: int, bqm: Any) -> Rows:
        return [[best.get(label, 0) for label in bqm.variables]] if call == 1 else zeros(call, bqm)

    solution = as_it_is(product_budget(3.0), Scripted(script, KINDS))
    assert solution.best.objective == -14.0


@pytest.mark.parametrize(("rhs", "remote"), [(0.0, False), (3.0, True)])
def test_a_penalty_model_needs_no_price_and_a_service_is_not_called_again(rhs: float, remote: bool) -> None:
    backend = Scripted(lambda _call, bqm: [[int(label in "abc") for label in bqm.variables]], KINDS, remote=remote)
    problem = product_budget(rhs)
    assert (problem.constraints["macs"].penalty is None) == remote
    solution = as_it_is(problem, backend)
    assert len(solution.calls) == 1
    assert solution.best.feasible
