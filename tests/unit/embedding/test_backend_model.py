"""The model that is embedded is the one a solver would get; its rows are read back in the user's terms."""

from __future__ import annotations

from itertools import product

import networkx as nx
import numpy as np
import pytest

from qubo_dnn.embedding.backend_model import BackendModel, make_backend_model
from qubo_formulations.graph_coloring import GraphColoring
from qubo_formulations.knapsack import Knapsack
from qubo_formulations.max_cut import MaxCut


def every_row(what: BackendModel) -> np.ndarray:
    return np.array(list(product((0, 1), repeat=what.bqm.num_variables)), np.int8)


def test_an_unconstrained_problem_is_sent_as_it_is() -> None:
    problem = MaxCut(nx.cycle_graph(5)).compile()
    what = make_backend_model(problem, presolve=False)
    assert what.bqm == problem.objective
    assert set(map(frozenset, what.graph.edges)) == set(map(frozenset, problem.objective.quadratic))
    labels, rows = list(what.bqm.variables), every_row(what)
    objectives, feasible = what.objectives(rows, labels)
    np.testing.assert_allclose(objectives, problem.objective.energies((rows, labels)))
    assert feasible.all()


@pytest.mark.parametrize("presolve", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_the_best_feasible_row_of_an_encoded_problem_is_the_optimum(seed: int, presolve: bool) -> None:
    formulation = Knapsack([3, 4, 5, 2], [4 + seed, 5, 6, 3], 7)
    what = make_backend_model(formulation.compile(), "slack", presolve)
    rows, labels = every_row(what), list(what.bqm.variables)
    objectives, feasible = what.objectives(rows, labels)
    optimum = max(formulation.cost(value) for value in formulation.answers())
    assert not feasible.all()
    assert -objectives[feasible].min() == pytest.approx(optimum)


def test_broken_groups_and_constraints_are_not_feasible() -> None:
    formulation = GraphColoring(nx.path_graph(3), 2)
    what = make_backend_model(formulation.compile(), presolve=False)
    rows, labels = every_row(what), list(what.bqm.variables)
    _, feasible = what.objectives(rows, labels)
    violated = [bool(what.problem.violations(dict(zip(labels, row.tolist(), strict=True)))) for row in rows]
    np.testing.assert_array_equal(feasible, ~np.array(violated))
    assert 0 < feasible.sum() < len(rows)


def test_what_presolve_settles_leaves_nothing_to_embed() -> None:
    formulation = Knapsack.example(1)
    what = make_backend_model(formulation.compile())
    assert what.bqm.num_variables == 0
    assert len(what.graph) == 0
    objectives, feasible = what.objectives(np.zeros((1, 0), np.int8), [])
    assert feasible.all()
    assert 0.0 < -objectives[0] <= max(formulation.cost(value) for value in formulation.answers())
