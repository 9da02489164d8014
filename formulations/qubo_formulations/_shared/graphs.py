"""Check and convert graphs of the user; their weights become floats."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import chain, combinations
from typing import Any

import networkx as nx
import numpy as np

from qubo_dnn.errors import FormulationError

Edges = Iterable[Sequence[Any]]


def as_graph(data: nx.Graph | Edges, attribute: str = "weight") -> nx.Graph:
    """Make an undirected simple graph from a networkx graph or from edges `(u, v)` or `(u, v, number)`.

    Args:
        data: every edge occurs once; the number is the value of the edge's attribute.
        attribute: name of the edge attribute, a finite number; 1 for edges without it.

    Returns:
        A new graph in which every edge has `attribute` as a float.

    Raises:
        FormulationError: the graph has no node, is directed or has parallel edges, an edge is malformed, is a
            loop, occurs twice or has no finite number.
    """
    graph = nx.Graph()
    if isinstance(data, nx.Graph):
        if data.is_directed() or data.is_multigraph():
            raise FormulationError("the graph must be undirected and without parallel edges")
        graph.add_nodes_from(data.nodes(data=True))
        edges: Edges = data.edges(data=attribute, default=1.0)
    else:
        edges = data
    for edge in edges:
        if not isinstance(edge, Sequence | np.ndarray) or len(edge) not in (2, 3):
            raise FormulationError(f"an edge is two nodes and at most one number, not {edge!r}")
        u, v, number = edge[0], edge[1], edge[2] if len(edge) == 3 else 1.0
        for node in (u, v):
            if node is None or not isinstance(node, Hashable):
                raise FormulationError(f"{node!r} is not a valid node; nodes are hashable, such as numbers and texts")
        if u == v:
            raise FormulationError(f"node {u!r} has an edge to itself")
        if graph.has_edge(u, v):
            raise FormulationError(f"the edge between {u!r} and {v!r} is given twice")
        graph.add_edge(u, v, **{attribute: finite(number, f"the {attribute} of the edge between {u!r} and {v!r}")})
    if not graph:
        raise FormulationError("the graph has no node")
    return graph


def node_weights(graph: nx.Graph) -> dict[Any, float]:
    """Return the attribute `weight` of every node; 1.0 for nodes without it.

    Raises:
        FormulationError: a weight is not a finite number >= 0.
    """
    weights = {node: finite(w, f"the weight of node {node!r}") for node, w in graph.nodes(data="weight", default=1.0)}
    for node, weight in weights.items():
        if weight < 0.0:
            raise FormulationError(f"the weight of node {node!r} is {weight}, less than 0")
    return weights


def subsets(items: Iterable[Any]) -> Iterator[frozenset[Any]]:
    """Generate all subsets in order of size."""
    pool = list(items)
    return map(frozenset, chain.from_iterable(combinations(pool, size) for size in range(len(pool) + 1)))


def finite(number: Any, what: str) -> float:
    """Return `number` as a float.

    Args:
        number: the user's number.
        what: name of the number, for the message.

    Raises:
        FormulationError: it is not a finite number.
    """
    try:
        value = float(number)
    except (TypeError, ValueError) as cause:
        raise FormulationError(f"{what} is {number!r}, not a number") from cause
    if not math.isfinite(value):
        raise FormulationError(f"{what} is {number!r}, not a finite number")
    return value
