from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import networkx as nx
import pytest

from qubo_dnn.adapters.answering import answer
from qubo_dnn.adapters.graphs import NodeSet, max_cut, maximum_clique, maximum_independent_set, minimum_vertex_cover
from qubo_dnn.errors import BackendFailedError, FormulationError, OptionError, UnknownBackendError
from qubo_dnn.problem import Decoded

FUNCTIONS: dict[Callable[..., NodeSet], Callable[[nx.Graph, frozenset[Any]], bool]] = {
    max_cut: lambda graph, nodes: nodes <= set(graph),
    maximum_independent_set: lambda graph, nodes: graph.subgraph(nodes).number_of_edges() == 0,
    minimum_vertex_cover: lambda graph, nodes: all(u in nodes or v in nodes for u, v in graph.edges),
    maximum_clique: lambda graph, nodes: all(graph.has_edge(u, v) for u, v in itertools.combinations(nodes, 2)),
}


def graph_of(seed: int) -> nx.Graph:
    """Nodes of different types, in no order."""
    graph = nx.gnm_random_graph(8, 14, seed=seed)
    labels = {0: "zero", 1: (1, "one"), 2: 2.5, 3: frozenset({3})}
    return nx.relabel_nodes(graph, labels)


def best_value(function: Callable[..., NodeSet], graph: nx.Graph) -> float:
    """By brute force."""
    fits = FUNCTIONS[function]
    subsets = (frozenset(c) for k in range(len(graph) + 1) for c in itertools.combinations(graph, k))
    feasible = (nodes for nodes in subsets if fits(graph, nodes))
    if function is max_cut:
        return float(max(nx.cut_size(graph, nodes) for nodes in feasible))
    sizes = [len(nodes) for nodes in feasible]
    return min(sizes) if function is minimum_vertex_cover else max(sizes)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("backend", ["exact", "pt"])
def test_optima_in_the_nodes_of_the_graph(function: Callable[..., NodeSet], backend: str) -> None:
    graph = graph_of(5)
    found = function(graph, backend=backend, certify=5.0, seed=1)
    assert found.value == best_value(function, graph)
    assert found.nodes <= set(graph)
    assert FUNCTIONS[function](graph, found.nodes)
    assert found.gap == 0.0
    assert found.certificate is not None
    assert found.certificate.optimal
    assert found.solution.seed == (1 if backend == "pt" else found.solution.seed)


def test_no_proof_unless_asked_for() -> None:
    found = max_cut(nx.cycle_graph(5), backend="steepest-descent", num_reads=5, seed=1)
    assert found.certificate is None
    assert found.gap is None
    assert "solution" not in repr(found)


def test_weights_count() -> None:
    graph = nx.path_graph(3)
    nx.set_node_attributes(graph, {1: 5.0}, "weight")
    assert maximum_independent_set(graph, backend="exact").nodes == {1}
    graph.edges[0, 1]["weight"] = -2.0
    assert max_cut(graph, backend="exact").value == 1.0


def test_errors() -> None:
    with pytest.raises(FormulationError, match="no node"):
        max_cut(nx.Graph())
    with pytest.raises(FormulationError, match="undirected"):
        maximum_clique(nx.DiGraph([(0, 1)]))
    with pytest.raises(UnknownBackendError):
        max_cut(nx.path_graph(2), backend="quantum")
    with pytest.raises(OptionError, match="num_raeds"):
        max_cut(nx.path_graph(2), num_raeds=3)
    with pytest.raises(OptionError, match="time to certify must be"):
        max_cut(nx.path_graph(2), backend="exact", certify=0.0)


def test_an_infeasible_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def worst(*arguments: Any) -> Any:
        found = answer(*arguments)
        return replace(found, best=Decoded(frozenset(), 0.0, {"edges": 1.0}))

    monkeypatch.setattr("qubo_dnn.adapters.graphs.answer", worst)
    with pytest.raises(BackendFailedError, match="'exact' found no answer that keeps the constraints"):
        maximum_independent_set(nx.path_graph(3), backend="exact")
