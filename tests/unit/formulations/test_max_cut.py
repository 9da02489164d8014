from __future__ import annotations

import networkx as nx
import pytest

from qubo_dnn.errors import FormulationError
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.max_cut import MaxCut


def test_an_even_cycle_is_cut_whole_and_reported_as_a_maximum() -> None:
    solution = solve(MaxCut(nx.cycle_graph(20)).compile(), get_backend("pt"), {"seed": 1})
    assert solution.best.objective == 20.0
    assert solution.calls[-1].objective == 20.0
    assert solution.best.value in ({*range(0, 20, 2)}, {*range(1, 20, 2)})


def test_edges_may_be_given_as_tuples_with_weights_and_any_labels() -> None:
    formulation = MaxCut([("a", "b", 3), ("b", ("c", 1), -2.5)])
    solution = solve(formulation.compile(), get_backend("exact"))
    assert solution.best.objective == formulation.cost(solution.best.value) == 3.0


def test_isolated_nodes_and_graphs_without_edges_have_a_variable_each() -> None:
    problem = MaxCut(nx.empty_graph(3)).compile()
    assert len(problem.variables) == 3
    decoded = problem.decode(dict.fromkeys(problem.variables, 1))
    assert (decoded.value, str(decoded.objective)) == (frozenset({0, 1, 2}), "0.0")


@pytest.mark.parametrize(
    ("graph", "text"),
    [
        (nx.Graph(), "no node"),
        (nx.DiGraph([(0, 1)]), "undirected"),
        (nx.MultiGraph([(0, 1), (0, 1)]), "parallel"),
        ([(0, 0)], "node 0 has an edge to itself"),
        ([(0, 1), (1, 0)], "between 1 and 0 is given twice"),
        ([(0, 1, "x")], "weight of the edge between 0 and 1 is 'x', not a number"),
        ([(0, 1, float("nan"))], "not a finite number"),
        ([(0, 1, 2, 3)], "two nodes and at most one number"),
    ],
)
def test_what_is_not_a_weighted_graph_is_refused(graph: object, text: str) -> None:
    with pytest.raises(FormulationError, match=text):
        MaxCut(graph)
