"""Sites, their options and all their states."""

from __future__ import annotations

import itertools

import dimod
import numpy as np
import pytest

from qubo_dnn.problem import Problem
from qubo_dnn.sites import OFF, Sites


def test_groups_come_first_and_free_variables_have_two_options() -> None:
    sites = Sites.of_groups(6, [[4, 1], [3]])
    assert [options.tolist() for options in sites.each()] == [[4, 1], [3], [OFF, 0], [OFF, 2], [OFF, 5]]
    assert sites.sizes == [2, 1, 2, 2, 2]
    assert sites.states == 16
    assert sites.site_of.tolist() == [0, 0, 1, 2, 2, 3, 3, 4, 4]


def test_of_a_problem_are_in_the_order_of_its_variables() -> None:
    objective = dimod.BinaryQuadraticModel({"b": 1.0, "a": 0.0, "c": 0.0}, {}, 0.0, "BINARY")
    problem = Problem(objective=objective, decoder=dict, one_hot={"one": ("c", "b")})
    sites = Sites.of_problem(problem)
    named = [[None if v == OFF else problem.variables[v] for v in options] for options in sites.each()]
    assert named == [["c", "b"], [None, "a"]]


def test_nothing_has_one_state() -> None:
    assert (Sites.of_groups(0, []).states, Sites.of([]).sizes) == (1, [])
    assert Sites.of([]).energies(np.zeros(0), np.zeros((0, 0))).tolist() == [0.0]


@pytest.mark.parametrize("seed", range(3))
def test_energies_are_those_of_the_states(seed: int) -> None:
    """The last site runs fastest."""
    rng = np.random.default_rng(seed)
    linear, upper = rng.normal(size=7), np.triu(rng.normal(size=(7, 7)), 1)
    sites = Sites.of_groups(7, [[5, 2, 0], [1], [3, 6]])
    expected = []
    for chosen in itertools.product(*(options.tolist() for options in sites.each())):
        x = np.zeros(7)
        x[[v for v in chosen if v != OFF]] = 1.0
        expected.append(linear @ x + x @ upper @ x)
    assert sites.energies(linear, upper + upper.T) == pytest.approx(expected)
