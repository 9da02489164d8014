"""Models and linear constraints as arrays say what the models and constraints themselves say."""

from __future__ import annotations

import itertools

import dimod
import numpy as np
import pytest

from qubo_dnn.arrays import LinearConstraints, dense_arrays
from qubo_dnn.constraint import Constraint

INDEX = {"a": 0, "b": 1, "c": 2}
STATES = np.array(list(itertools.product((0, 1), repeat=3)), float)


def left(weights: dict[str, float], offset: float = 0.0) -> dimod.BinaryQuadraticModel:
    return dimod.BinaryQuadraticModel(weights, {}, offset, "BINARY")


CONSTRAINTS = [
    Constraint(left({"a": 2.0, "c": -1.0}, 0.5), "<=", 1.5),
    Constraint(left({"b": 3.0, "a": 0.0}), ">=", 2.0),
    Constraint(left({"c": 1e6}, 1e6), "==", 2e6),
    Constraint(left({}), "<=", -1.0),
]


def test_rows_are_kept_by_the_states_that_keep_the_constraints() -> None:
    rows = LinearConstraints.of(CONSTRAINTS, INDEX)
    sides = rows.offsets + STATES @ rows.weights.toarray().T
    lowers, uppers = rows.bounds()
    expected = np.array(
        [[each.violation(side) == 0.0 for each, side in zip(CONSTRAINTS, row, strict=True)] for row in sides]
    )
    assert np.array_equal((lowers <= sides) & (sides <= uppers), expected)
    assert rows.weights.nnz == 4
    assert rows.equal.tolist() == [False, False, True, False]
    assert rows.scales.tolist() == [2.0, 3.0, 1e6, 1.0]
    assert rows.tolerances == pytest.approx([1.5e-9, 2e-9, 2e-3, 1e-9])


def test_the_upper_form_states_the_same() -> None:
    rows, limits = LinearConstraints.of(CONSTRAINTS, INDEX).upper_form()
    beyond = STATES @ rows.T - limits
    for column, constraint in enumerate(CONSTRAINTS):
        sides = [constraint.lhs.energy(dict(zip(INDEX, state, strict=True))) for state in STATES]
        if constraint.sense == "==":
            assert np.array_equal(beyond[:, column] == 0.0, [constraint.violation(side) == 0.0 for side in sides])
        else:
            assert np.maximum(beyond[:, column], 0.0).tolist() == [constraint.violation(side) for side in sides]


def test_no_constraints_have_no_rows() -> None:
    rows = LinearConstraints.of([], INDEX)
    assert rows.weights.shape == (0, 3)
    assert rows.upper_form()[0].shape == (0, 3)
    assert rows.scales.shape == (0,)


def test_dense_arrays_give_the_energies() -> None:
    bqm = dimod.BinaryQuadraticModel({"c": 1.0, "a": -2.0}, {("c", "a"): 3.0, ("b", "c"): -0.5}, 7.0, "BINARY")
    linear, matrix = dense_arrays(bqm, INDEX)
    energies = 7.0 + STATES @ linear + 0.5 * np.einsum("ki,ij,kj->k", STATES, matrix, STATES)
    assert energies == pytest.approx(bqm.energies((STATES, list(INDEX))))
