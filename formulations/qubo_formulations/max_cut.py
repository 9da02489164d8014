"""Max-cut: two sides of a graph with as much weight as possible between them."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import networkx as nx
from pyqubo import Binary

from qubo_dnn.problem import Problem
from qubo_formulations._models import compiled
from qubo_formulations._node_sets import NodeSet


class MaxCut(NodeSet):
    """Sides of a graph's nodes that maximise the weight of the edges between them.

    Variables: `x[i]` = 1 puts the i-th node, in the graph's order, on the side that is the answer; one per node.
    Objective: the sum over edges of `w[i,j] (x[i] + x[j] - 2 x[i] x[j])`, maximised.
    Constraints: none.

    Args:
        graph: a networkx graph, its edges' `weight` 1 where there is none, or edges `(u, v)` or `(u, v, weight)`.

    Raises:
        FormulationError: the graph is empty, directed, or has loops or parallel edges, or a weight is not finite.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 2.
    """

    name: ClassVar[str] = "max-cut"
    summary: ClassVar[str] = "two sides of a graph with the greatest weight between them"

    @classmethod
    def example(cls, seed: int) -> Self:
        """A random graph of 7 nodes with weights from -2 to 3."""
        graph = nx.gnm_random_graph(7, 12, seed=seed)
        for index, (u, v) in enumerate(graph.edges):
            graph.edges[u, v]["weight"] = (7 * index + seed) % 6 - 2
        return cls(graph)

    def compile(self) -> Problem[frozenset[Any]]:
        """The problem: minus the cut is minimised."""
        x = {node: Binary(label) for node, label in self.labels.items()}
        cut = sum(w * (x[u] + x[v] - 2 * x[u] * x[v]) for u, v, w in self.graph.edges(data="weight"))
        return Problem(objective=compiled(0 - cut, self.labels.values()), decoder=self.decode, sense="max")

    def cost(self, value: frozenset[Any]) -> float:
        """Weight of the edges that leave `value`."""
        return self.cut(value)
