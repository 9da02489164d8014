from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.constraints.penalties import MARGIN, constraint_weights, gain_of_breaking, one_hot_penalties
from qubo_dnn.local_search import LocalModel, LocalState
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


@pytest.mark.parametrize("x", [(0, 0, 0), (1, 1, 0), (0, 1, 1), (1, 1, 1)])
def test_mending_pays_from_the_gain_of_breaking_on(x: tuple[int, ...]) -> None:
    """One flip that brings the group nearer to one option lowers the penalised energy beyond that weight only."""
    linear = {"a": 2.0, "b": -5.0, "c": -7.0} if sum(x) > 1 else {"a": 2.0, "b": 5.0, "c": 7.0}
    objective = dimod.BinaryQuadraticModel(linear, {}, 0.0, dimod.BINARY)
    problem = Problem(objective=objective, decoder=dict, one_hot={"g": ("a", "b", "c")})
    gain = gain_of_breaking(np.array(list(linear.values())), np.arange(3), np.array(x, np.int8))
    assert gain != 0.0
    for weight, pays in ((gain + 0.01, True), (gain - 0.01, False)):
        penalised = problem.bqm({"g": weight})
        nearer = [np.bitwise_xor(x, np.eye(3, dtype=int)[k]) for k in range(3)]
        nearer = [state for state in nearer if abs(state.sum() - 1) < abs(sum(x) - 1)]
        energies = penalised.energies((np.array(nearer), ["a", "b", "c"]))
        assert (energies.min() < penalised.energy(dict(zip("abc", x, strict=True)))) == pays


def test_a_weight_outweighs_what_breaking_its_constraint_gains() -> None:
    """Choosing a and b is penalised; beside a, b gains 2, and a change of c gains nothing."""
    objective = dimod.BinaryQuadraticModel({"a": -3.0, "b": -2.0, "c": 0.5}, {("a", "c"): 4.0}, 0.0, dimod.BINARY)
    both = dimod.BinaryQuadraticModel({}, {("a", "b"): 1.0}, 0.0, dimod.BINARY)
    problem = Problem(objective=objective, decoder=dict)
    assert constraint_weights(problem, {"both": both}) == {"both": MARGIN * 2.0}


def test_a_constraint_that_nothing_breaks_still_has_a_weight() -> None:
    objective = dimod.BinaryQuadraticModel({"a": 100.0, "b": 200.0}, {}, 0.0, dimod.BINARY)
    both = dimod.BinaryQuadraticModel({}, {("a", "b"): 1.0}, 0.0, dimod.BINARY)
    assert constraint_weights(Problem(objective=objective, decoder=dict), {"both": both}) == {"both": MARGIN * 20.0}
