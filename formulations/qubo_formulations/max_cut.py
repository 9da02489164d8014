"""Max-cut: split the nodes of a graph with the greatest weight between the two sides."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import networkx as nx

from qubo_dnn.problem import Problem
from qubo_formulations._shared.node_sets import Cut


class MaxCut(Cut):
    """Split the nodes of a graph into two sides with the greatest total weight of edges between them.

    Variables: `x[i]` = 1 puts the i-th node, in the graph's order, on the first side; one per node.
    Objective: the sum over edges of `w[i,j] (x[i] + x[j] - 2 x[i] x[j])`, maximised.
    Constraints: none.

    Args:
        graph: a networkx graph, with 1 for edges that have no `weight`, or edges `(u, v)` or `(u, v, weight)`.

    Raises:
        FormulationError: the graph is empty, directed, or has loops or parallel edges, or a weight is not finite.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 2.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> cut = MaxCut([("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")])
        >>> solve(cut.compile(), get_backend("exact")).best.objective
        4.0
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
        """Compile the problem; the objective is minus the weight of the cut."""
        objective = self.cut
        objective.scale(-1.0)
        return Problem(objective=objective, decoder=self.decode, sense="max")
