"""Tours: which assignments are some, and what their steps cost."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from qubo_backends._pt.choices.model import choice_problem
from qubo_backends._pt.choices.searches.assignments import coupling_matrix, place_variables
from qubo_backends._pt.choices.searches.tours import find_tour
from qubo_dnn.problem import Problem
from tests.unit.backends.pt.choices.problems import names_of, places_of, trip


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("by_places", [True, False])
def test_tours_are_found_in_either_direction(closed: bool, by_places: bool) -> None:
    model = choice_problem(trip(12, 1, closed=closed, by_places=by_places)).model
    tour = find_tour(coupling_matrix(model), place_variables(model, np.arange(12)))
    assert tour is not None
    # Every step has other costs, and the one that closes a path has none.
    assert len(tour.blocks) == 12
    assert (not tour.blocks[-1].any()) == (not closed)
    assert np.array_equal(tour.blocks[0], coupling_matrix(model).toarray()[np.ix_(*tour.variables[:2])])


def test_branching_and_broken_chains_are_no_tours() -> None:
    for missing in (True, False):
        bqm, names = trip(12, 1, closed=False, by_places=False).objective.copy(), names_of(12)
        order = np.random.default_rng(1).permutation(12)
        for a, b in itertools.permutations(range(12), 2):
            if missing:
                bqm.remove_interaction(names[a, order[4]], names[b, order[5]])
            else:
                bqm.add_quadratic(names[a, order[4]], names[b, order[8]], 1.0)
        model = choice_problem(Problem(objective=bqm, **places_of(12, names))).model
        assert find_tour(coupling_matrix(model), place_variables(model, np.arange(12))) is None
