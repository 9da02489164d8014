"""Maximum (weight) independent set: nodes of a graph of which no two are adjacent."""

from __future__ import annotations

from typing import Any, ClassVar

from pyqubo import Binary

from qubo_dnn.problem import Problem
from qubo_formulations._shared.models import compiled
from qubo_formulations._shared.node_sets import WeightedNodeSet


class MaximumIndependentSet(WeightedNodeSet):
    """Choose nodes of the greatest total weight of which no two are adjacent.

    Variables: `x[i]` = 1 takes the i-th node, in the graph's order; one per node.
    Objective: the sum of `w[i] x[i]`, maximised.
    Constraints: "edges", the sum over edges of `x[i] x[j]` is 0; the sum counts the edges inside the answer.
    Start: nodes in the order of their weight per node that they rule out.
    Sufficient penalty: more than the second largest weight, because leaving out the lighter node of an edge
    removes it at that cost.

    Args:
        graph: a networkx graph, with 1 for nodes that have no `weight`, or edges `(u, v)`.

    Raises:
        FormulationError: the graph is empty, directed, or has loops or parallel edges, or a weight is not a finite
            number >= 0.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 4.2.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> independent = MaximumIndependentSet([("a", "b"), ("b", "c"), ("b", "d")])
        >>> sorted(solve(independent.compile(), get_backend("exact")).best.value)
        ['a', 'c', 'd']
    """

    name: ClassVar[str] = "maximum-independent-set"
    summary: ClassVar[str] = "the heaviest set of nodes of which no two are adjacent"

    def compile(self) -> Problem[frozenset[Any]]:
        """Compile the problem; the objective is minus the weight."""
        x = {node: Binary(label) for node, label in self.labels.items()}
        inside = compiled(sum(x[u] * x[v] for u, v in self.graph.edges), self.labels.values())
        return self.without_pairs("edges", inside, "max")

    def is_feasible(self, value: frozenset[Any]) -> bool:
        """Return whether `value` is a set of the graph's nodes of which no two are adjacent."""
        known = super().is_feasible(value)
        return known and self.graph.subgraph(value).number_of_edges() == 0
