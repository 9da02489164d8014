"""Ejection chains: what they keep, and that they reach optima."""

from __future__ import annotations

import dimod
import numpy as np
import pytest
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceProblem, choice_problem
from qubo_backends._pt.choices.searches.chain_states import BEST, HERE, chain_states
from qubo_backends._pt.choices.searches.chains import chains_help
from qubo_backends._pt.choices.searches.ejection_chains import search_chains
from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem
from tests.unit.backends.pt.choices.problems import KINDS, feasible_states
from tests.unit.backends.pt.choices.test_priced_annealing import knapsack

RATIONED = [kind for kind in KINDS if chains_help(choice_problem(KINDS[kind](0)).model)]


def searched(
    choices: ChoiceProblem, start: NDArray[np.int32], seed: int, steps: int, shaken: int = 0
) -> tuple[NDArray[np.int8], float]:
    """The best state of a search, and its energy."""
    random = np.random.default_rng(seed).integers(0, 2**64, size=1, dtype=np.uint64)
    states = chain_states(choices.model, choices.constraints.scales, random)
    states.choices[HERE] = start
    search_chains(choices.model, states, shaken, 1e-9, steps)
    return choices.states(states.choices[[BEST]])[0], float(states.energies[BEST])


@pytest.mark.parametrize("kind", RATIONED)
def test_the_best_state_with_the_same_equalities_is_found_with_its_energy(kind: str) -> None:
    """Equalities and quadratic constraints are kept too."""
    for seed in range(4):
        problem = KINDS[kind](seed)
        choices = choice_problem(problem)
        states, energies = feasible_states(problem)
        options = choices.choices(states)
        on = options >= choices.model.offs
        labels = np.where(on, choices.model.equalities[choices.model.firsts + options - choices.model.offs], -1)
        same = (labels == labels[0]).all(axis=1)
        found, energy = searched(choices, options[0], seed, steps=2000)
        at = np.flatnonzero((states == found).all(axis=1))
        assert len(at) == 1
        assert energy + float(problem.objective.offset) == pytest.approx(energies[at[0]], abs=1e-9)
        assert energies[at[0]] == pytest.approx(energies[same].min(), abs=1e-9)


def test_one_large_item_gives_way_to_two_small_ones() -> None:
    """No exchange of one for one gains, and nothing can be added."""
    values, weights = np.array([10, 6, 6, 1]), np.array([10, 5, 5, 10])
    choices = choice_problem(knapsack(values, weights, 10, "<="))
    found, energy = searched(choices, np.array([1, 0, 0, 0], np.int32), seed=0, steps=40)
    assert found.tolist() == [0, 1, 1, 0]
    assert energy == -12.0


def test_a_start_from_which_no_constraint_can_be_met_is_no_answer() -> None:
    load = dimod.BinaryQuadraticModel({"a": 3.0, "b": 4.0}, {}, 0.0, "BINARY")
    limits = {"least": Constraint(load, ">=", 5.0), "most": Constraint(load, "<=", 6.0)}
    choices = choice_problem(Problem(objective=load, decoder=dict, constraints=limits))
    assert searched(choices, np.zeros(2, np.int32), seed=0, steps=50)[1] == np.inf
