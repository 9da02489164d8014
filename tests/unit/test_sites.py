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


def test_in_order_of_their_first_variables_with_off_before_all_options() -> None:
    sites = Sites.of_groups(6, [[4, 1], [3]]).in_order(np.array([0, 2, 0, 0, 1, 0]))
    assert [options.tolist() for options in sites.each()] == [[OFF, 0], [4, 1], [OFF, 2], [3], [OFF, 5]]


def test_options_of_all_states_are_found_again() -> None:
    sites = Sites.of_groups(6, [[4, 1], [3]])
    options = sites.numbered(np.arange(sites.states))
    states = sites.bits(options)
    assert len(np.unique(states, axis=0)) == sites.states
    assert (states[:, [1, 4]].sum(axis=1) == 1).all()
    assert states[:, 3].all()
    assert np.array_equal(sites.options(states), options)


def test_a_site_without_a_1_takes_its_first_option_and_with_several_the_first_of_them() -> None:
    sites = Sites.of_groups(3, [[2, 0, 1]])
    assert sites.options(np.array([[0, 0, 0], [1, 1, 0]], np.int8)).tolist() == [[0], [1]]


def test_values_at_options_are_0_where_none_is_set() -> None:
    sites = Sites.of_groups(3, [[2, 1]])
    values = np.array([[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0]])
    assert sites.at_options(values).tolist() == [[3.0, 2.0, 0.0, 1.0], [6.0, 5.0, 0.0, -4.0]]
    assert sites.least(sites.at_options(values)).tolist() == [[2.0, 0.0], [5.0, -4.0]]
    assert sites.site_of_variable.tolist() == [1, 0, 0]


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
