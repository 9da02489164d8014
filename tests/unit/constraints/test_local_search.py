from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.constraint import Constraint
from qubo_dnn.local_search import LocalModel, LocalState, descend
from qubo_dnn.problem import Problem

Choices = Callable[..., Problem[Any]]


def bits(*values: int) -> np.ndarray[Any, np.dtype[np.int8]]:
    return np.array(values, np.int8)


def test_a_group_with_several_options_keeps_the_least_costly_of_them(choices: Choices) -> None:
    state = LocalState(LocalModel(choices(2)), bits(1, 1, 0, 0, 0, 0))
    assert state.x.tolist() == [0, 1, 0, 0, 0, 1]
    assert state.values.tolist() == [4.0]


def test_groups_are_mended_in_the_light_of_those_before() -> None:
    """Alone b1 is better, but a0 is chosen first and makes b0 the better choice."""
    objective = dimod.BinaryQuadraticModel({"a0": -5, "a1": 0, "b0": 0, "b1": -1}, {("a0", "b0"): -3}, 0, dimod.BINARY)
    groups = {"a": ("a0", "a1"), "b": ("b0", "b1")}
    state = LocalState(LocalModel(Problem(objective=objective, decoder=dict, one_hot=groups)), bits(0, 0, 0, 0))
    assert state.x.tolist() == [1, 0, 1, 0]
    assert state.values.tolist() == [-8.0]


def test_couplings_inside_a_group_play_no_part() -> None:
    objective = dimod.BinaryQuadraticModel({"a": 1.0, "b": 2.0}, {("a", "b"): -100.0}, 0.5, dimod.BINARY)
    model = LocalModel(Problem(objective=objective, decoder=dict, one_hot={"g": ("a", "b")}))
    state = LocalState(model, bits(1, 0))
    assert state.changes().tolist() == [[0.0, 1.0]]
    state.move(1)
    assert state.values.tolist() == [2.5]


def test_violations_are_shares_of_their_right_sides() -> None:
    line = dimod.BinaryQuadraticModel({"a": 30.0}, {}, 0.0, dimod.BINARY)
    pair = dimod.BinaryQuadraticModel({"b": 0.25}, {("a", "b"): 0.25}, 0.0, dimod.BINARY)
    constraints = {"l": Constraint(line, "<=", 20.0), "p": Constraint(pair, "==", 0.0)}
    problem = Problem(objective=dimod.BinaryQuadraticModel({"a": 0.0, "b": 0.0}, {}, 0, "BINARY"), decoder=dict,
                      constraints=constraints)  # fmt: skip
    state = LocalState(LocalModel(problem), bits(1, 1))
    assert state.violation == pytest.approx(10 / 20 + 0.5)
    state.move(0)
    assert state.violation == pytest.approx(0.25)


def test_descent_ends_where_only_rounding_is_to_be_gained() -> None:
    """Without linear biases, thirds that cancel leave gains of 1e-17, which must not be followed in circles."""
    n = 12
    rng = np.random.default_rng(1)
    couplings = np.triu(rng.choice([-1.0, 1.0], (n, n)) / 3.0, 1)
    objective = dimod.BinaryQuadraticModel(np.zeros(n), couplings, dimod.BINARY)
    problem = Problem(objective=objective, decoder=dict)
    for seed in range(20):
        start = np.random.default_rng(seed).integers(0, 2, n).astype(np.int8)
        state = LocalState(LocalModel(problem), start)
        descend(state, np.ones(1))
        assert state.changes().min() >= -1e-12
        assert state.values[0] == pytest.approx(objective.energy(dict(enumerate(state.x.tolist()))))


def test_a_model_without_variables() -> None:
    constant = dimod.BinaryQuadraticModel({}, {}, 2.0, dimod.BINARY)
    problem = Problem(objective=constant, decoder=dict, constraints={"c": Constraint(constant, "<=", 1.0)})
    state = LocalState(LocalModel(problem), bits())
    descend(state, np.ones(2))
    assert state.values.tolist() == [2.0, 2.0]
    assert state.violation == 1.0
    assert state.changes().shape == (2, 0)
