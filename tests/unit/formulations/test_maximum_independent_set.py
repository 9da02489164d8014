from __future__ import annotations

import networkx as nx
import pytest

from qubo_dnn.errors import FormulationError
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.maximum_independent_set import MaximumIndependentSet


@pytest.mark.parametrize("name", ["pt", "neal", "tabu"])
def test_the_petersen_graph_has_four_nodes_of_which_no_two_are_adjacent(name: str) -> None:
    formulation = MaximumIndependentSet(nx.petersen_graph())
    solution = solve(formulation.compile(), get_backend(name), {"seed": 1, "num_reads": 10})
    assert solution.best.feasible
    assert solution.best.objective == 4.0
    assert formulation.is_feasible(solution.best.value)


def test_weights_of_nodes_count() -> None:
    graph = nx.star_graph(3)
    nx.set_node_attributes(graph, {0: 5.0}, "weight")
    assert solve(MaximumIndependentSet(graph).compile(), get_backend("exact")).best.value == {0}


def test_an_infeasible_state_says_how_many_edges_are_inside() -> None:
    problem = MaximumIndependentSet([(0, 1), (1, 2), (0, 3)]).compile()
    decoded = problem.decode({"x[0]": 1, "x[1]": 1, "x[2]": 1, "x[3]": 0})
    assert decoded.violations == {"edges": 2.0}


def test_the_sufficient_penalty_follows_the_second_largest_weight() -> None:
    graph = nx.path_graph(3)
    nx.set_node_attributes(graph, {0: 100.0, 1: 4.0, 2: 2.0}, "weight")
    assert MaximumIndependentSet(graph).compile().penalties == {"edges": 5.0}


def test_a_negative_weight_is_refused() -> None:
    graph = nx.path_graph(2)
    graph.nodes[1]["weight"] = -1.0
    with pytest.raises(FormulationError, match="weight of node 1 is"):
        MaximumIndependentSet(graph)
