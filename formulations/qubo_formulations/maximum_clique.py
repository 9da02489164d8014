"""Maximum (weight) clique: nodes of a graph that are pairwise adjacent."""

from __future__ import annotations

from itertools import combinations
from typing import Any, ClassVar

import networkx as nx
import numpy as np

from qubo_dnn.problem import Problem
from qubo_formulations._shared.models import from_arrays
from qubo_formulations._shared.node_sets import WeightedNodeSet


class MaximumClique(WeightedNodeSet):
    """Choose nodes of the greatest total weight that are pairwise adjacent.

    Variables: `x[i]` = 1 takes the i-th node, in the graph's order; one per node.
    Objective: the sum of `w[i] x[i]`, maximised.
    Constraints: "pairs", the sum of `x[i] x[j]` over pairs that are not adjacent is 0; the sum counts the
    missing edges.
    Start: nodes in the order of their weight per node that they rule out.
    Sufficient penalty: more than the second largest weight, because leaving out the lighter node of a missing edge
    removes it at that cost.

    Args:
        graph: a networkx graph, with 1 for nodes that have no `weight`, or edges `(u, v)`.

    Raises:
        FormulationError: the graph is empty, directed, or has loops or parallel edges, or a weight is not a finite
            number >= 0.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 2.3.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> clique = MaximumClique([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")])
        >>> sorted(solve(clique.compile(), get_backend("exact")).best.value)
        ['a', 'b', 'c']
    """

    name: ClassVar[str] = "maximum-clique"
    summary: ClassVar[str] = "the heaviest set of pairwise adjacent nodes"
    example_edges: ClassVar[int] = 16

    def compile(self) -> Problem[frozenset[Any]]:
        """Compile the problem from arrays, because the complement of a graph may be dense."""
        size = len(self.graph)
        apart = ~np.asarray(nx.to_numpy_array(self.graph, weight=None), bool)
        rows, columns = np.nonzero(np.triu(apart, 1))
        labels = list(self.labels.values())
        missing = from_arrays(labels, np.zeros(size), rows, columns, np.ones(len(rows)))
        return self.without_pairs("pairs", missing, "max")

    def is_feasible(self, value: frozenset[Any]) -> bool:
        """Return whether `value` is a set of pairwise adjacent nodes of the graph."""
        known = super().is_feasible(value)
        return known and all(self.graph.has_edge(u, v) for u, v in combinations(value, 2))
