"""Quadratic constraints as linear ones: the same states are feasible."""

from __future__ import annotations

from itertools import product
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.constraint import Constraint
from qubo_dnn.constraints.linearize import linear_rows, linearized
from qubo_dnn.encodings.rosenberg import quadratize
from qubo_dnn.problem import Problem


def model(linear: Any, pairs: Any, offset: float = 0.0) -> dimod.BinaryQuadraticModel:
    return dimod.BinaryQuadraticModel(linear, pairs, offset, dimod.BINARY)


def kept_by(constraints: list[Constraint], variables: list[Any]) -> list[bool]:
    states = [dict(zip(variables, row, strict=True)) for row in product((0, 1), repeat=len(variables))]
    return [all(c.violation(float(c.lhs.energy(x))) == 0.0 for c in constraints) for x in states]


CASES = {
    "edges": Constraint(model({}, {(0, 1): 1.0, (1, 2): 2.0}), "<=", 0.0),
    "edges, equal": Constraint(model({}, {(0, 1): 1.0, (1, 2): 0.5}), "==", 0.0),
    "edges, mirrored": Constraint(model({}, {(0, 1): -1.0, (1, 2): -2.0}, 3.0), ">=", 3.0),
    "implications": Constraint(model({0: 2.0, 1: 1.0}, {(0, 1): -1.0, (0, 2): -1.0, (1, 2): -1.0}), "<=", 0.0),
    "fixed": Constraint(model({0: 1.0, 1: -2.0}, {(0, 2): 1.0}, 2.0), "<=", 0.0),
    "product": Constraint(model({2: 3.0}, {(0, 1): 1.0, (0, 2): -2.0, (1, 2): -2.0}), "<=", 0.0),
    "product of a false literal": Constraint(
        model({1: 1.0, 2: 1.0}, {(0, 1): -1.0, (0, 2): 2.0, (1, 2): -2.0}), "<=", 0.0
    ),
    "product of false literals": Constraint(
        model({0: -1.0, 1: -1.0, 2: -1.0}, {(0, 1): 1.0, (0, 2): 2.0, (1, 2): 2.0}, 1.0), "<=", 0.0
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_the_same_states_are_feasible(kind: str) -> None:
    constraint = CASES[kind]
    rows = linear_rows(constraint)
    assert rows is not None
    assert all(row.is_linear for row in rows)
    assert kept_by(rows, [0, 1, 2]) == kept_by([constraint], [0, 1, 2])


def test_products_of_products() -> None:
    found = quadratize({frozenset("abcde"): 1.0, frozenset("abc"): -1.0, frozenset("bde"): 2.0}, "p")
    assert found.valid is not None
    variables = [*"abcde", *found.products]
    rows = linear_rows(found.valid)
    assert rows is not None
    assert len(rows) == 3 * len(found.products)
    assert kept_by(rows, variables) == kept_by([found.valid], variables)


def test_other_constraints_stay_as_they_are() -> None:
    for other in (
        Constraint(model({}, {(0, 1): 1.0, (1, 2): 1.0}), "<=", 1.0),
        Constraint(model({}, {(0, 1): 1.0, (1, 2): -1.0}), "==", 0.0),
        Constraint(model({}, {(0, 1): 1.0}), ">=", 0.0),
        # What rounding leaves of the bias of 0 forces nothing.
        Constraint(model({0: 0.1 + 0.2, 1: 0.3}, {(0, 1): -0.3, (0, 2): -0.3}), "<=", 0.0),
    ):
        assert linear_rows(other) is None
        problem: Problem[Any] = Problem(objective=model(dict.fromkeys(range(3), 1.0), {}), decoder=dict)
        assert linearized(problem) is problem


def test_random_constraints_have_the_same_states_or_stay() -> None:
    rng, replaced = np.random.default_rng(0), 0
    for _ in range(400):
        n = int(rng.integers(2, 6))
        left = dimod.BinaryQuadraticModel(np.triu(rng.integers(-1, 3, (n, n))).astype(float), dimod.BINARY)
        constraint = Constraint(left, rng.choice(["<=", ">=", "=="]), float(rng.integers(-2, 2)))
        rows = linear_rows(constraint)
        if rows is not None:
            replaced += 1
            assert kept_by(rows, list(range(n))) == kept_by([constraint], list(range(n)))
    assert replaced > 10
