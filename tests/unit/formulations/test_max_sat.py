"""Clauses as quadratic models: hard and soft, of any length."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest

from qubo_dnn.registry import get_formulation


def drawn(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    sizes = [3, 4, 5, 3, 2, 1]
    clauses = [((rng.permutation(5)[:k] + 1) * rng.choice((-1, 1), k)).tolist() for k in sizes]
    kind: Any = get_formulation("max-sat")
    return kind(clauses, [math.inf, math.inf, 3.0, 2.0, 1.5, 1.0], 5)


@pytest.mark.parametrize("seed", range(3))
def test_the_best_auxiliary_values_give_the_cost_and_the_violations(seed: int) -> None:
    formulation = drawn(seed)
    problem = formulation.compile()
    free = [variable for variable in problem.variables if not variable.startswith("x[")]
    states = np.array(list(product((0, 1), repeat=len(free))), np.int8)
    hard = problem.constraints["hard clauses"].lhs
    for value in product((False, True), repeat=5):
        given = np.tile(np.array(value, np.int8), (len(states), 1))
        rows = np.hstack([given, states]), [*(f"x[{v}]" for v in range(1, 6)), *free]
        model = problem.objective.copy()
        model.update(hard)
        violated = sum(math.isinf(weight) for weight in formulation._unsatisfied(value))
        assert model.energies(rows).min() == pytest.approx(formulation.cost(value) + violated)
        wanted = [rows[1].index(variable) for variable in hard.variables]
        assert hard.energies((rows[0][:, wanted], list(hard.variables))).min() == pytest.approx(violated)


def test_terms_that_cancel_leave_no_interaction() -> None:
    kind: Any = get_formulation("max-sat")
    assert kind([[1, 2], [1, -2]]).compile().objective.num_interactions == 0
