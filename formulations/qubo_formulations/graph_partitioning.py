"""Graph partitioning: split the nodes into two halves with little weight between them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any, ClassVar, Self

import networkx as nx

from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem
from qubo_formulations._shared.models import from_arrays
from qubo_formulations._shared.node_sets import Cut


class GraphPartitioning(Cut):
    """Split the nodes into two halves with the least total weight of edges between them.

    Variables: `x[i]` = 1 puts the i-th node, in the graph's order, into the first half; one per node.
    Objective: the sum over edges of `w[i,j] (x[i] + x[j] - 2 x[i] x[j])`, minimised.
    Constraints: "size", the sum of `x[i]` is half the number of nodes, rounded down.
    Sufficient penalty: more than the greatest sum of absolute weights at a node, which bounds the change of
    the cut when one node moves: a size that is wrong by d costs d^2 penalties, and d moves correct it.

    Args:
        graph: a networkx graph, with 1 for edges that have no `weight`, or edges `(u, v)` or `(u, v, weight)`.

    Raises:
        FormulationError: the graph is empty, directed, or has loops or parallel edges, or a weight is not finite.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 2.2.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> partitioning = GraphPartitioning([("a", "b", 3), ("b", "c", 1), ("c", "d", 3)])
        >>> solve(partitioning.compile(), get_backend("exact")).best.objective
        1.0
    """

    name: ClassVar[str] = "graph-partitioning"
    summary: ClassVar[str] = "two halves of a graph with the least weight between them"

    @classmethod
    def example(cls, seed: int) -> Self:
        """A random graph of 8 nodes with weights from 1 to 5."""
        graph = nx.gnm_random_graph(8, 14, seed=seed)
        for index, (u, v) in enumerate(graph.edges):
            graph.edges[u, v]["weight"] = (7 * index + seed) % 5 + 1
        return cls(graph)

    def compile(self) -> Problem[frozenset[Any]]:
        """Compile the problem, with its one constraint."""
        labels = list(self.labels.values())
        at_node = [sum(abs(w) for _, _, w in self.graph.edges(node, data="weight")) for node in self.graph]
        return Problem(
            objective=self.cut,
            decoder=self.decode,
            constraints={"size": Constraint(from_arrays(labels, [1.0] * len(labels)), "==", float(len(labels) // 2))},
            penalties={"size": 1.25 * max(at_node) or 1.0},
        )

    def is_feasible(self, value: frozenset[Any]) -> bool:
        """Return whether `value` is half of the graph's nodes, rounded down."""
        return super().is_feasible(value) and len(value) == len(self.graph) // 2

    def answers(self) -> Iterator[frozenset[Any]]:
        """Generate all halves."""
        return map(frozenset, combinations(self.graph, len(self.graph) // 2))
