from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dimod
import numpy as np

from qubo_dnn.constraints.local import LocalModel, LocalState
from qubo_dnn.constraints.penalties import MARGIN, one_hot_penalties
from qubo_dnn.problem import Problem

Choices = Callable[..., Problem[Any]]


def test_dropping_a_costly_option_is_outweighed(choices: Choices) -> None:
    """At weight P the unit that chooses an option of cost 18 would gain 18 by choosing none and lose P."""
    state = LocalState(LocalModel(choices(2)), np.array([0, 1, 0, 1, 0, 0], np.int8))
    assert one_hot_penalties(state, np.ones(1)) == [MARGIN * 4.0, MARGIN * 18.0]


def test_a_second_option_that_gains_is_outweighed() -> None:
    objective = dimod.BinaryQuadraticModel({"a": -1.0, "b": -3.0, "c": 0.5}, {("b", "c"): -4.0}, 0.0, dimod.BINARY)
    problem = Problem(objective=objective, decoder=dict, one_hot={"g": ("a", "b")})
    state = LocalState(LocalModel(problem), np.array([1, 0, 1], np.int8))
    assert one_hot_penalties(state, np.ones(1)) == [MARGIN * 7.0]


def test_the_weight_of_the_constraint_counts(choices: Choices) -> None:
    state = LocalState(LocalModel(choices(1, "<=", 9.0)), np.array([0, 0, 1], np.int8))
    assert one_hot_penalties(state, np.array([1.0, 10.0])) == [MARGIN * 30.0]


def test_a_group_that_gains_nothing_still_has_a_weight() -> None:
    objective = dimod.BinaryQuadraticModel({"a": 0.0, "b": 0.0, "c": 50.0}, {}, 0.0, dimod.BINARY)
    problem = Problem(objective=objective, decoder=dict, one_hot={"g": ("a", "b")})
    state = LocalState(LocalModel(problem), np.array([1, 0, 0], np.int8))
    assert one_hot_penalties(state, np.ones(1)) == [MARGIN * 0.05]
    flat = problem.relaxed(dimod.BinaryQuadraticModel({"a": 0.0, "b": 0.0, "c": 0.0}, {}, 0.0, dimod.BINARY))
    assert one_hot_penalties(LocalState(LocalModel(flat), state.x), np.ones(1)) == [MARGIN]
