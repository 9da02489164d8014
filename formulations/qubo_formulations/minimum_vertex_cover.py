"""Minimum (weight) vertex cover: nodes of a graph that touch all of its edges."""

from __future__ import annotations

from typing import Any, ClassVar

from pyqubo import Binary

from qubo_dnn.problem import Problem
from qubo_formulations._shared.models import compiled
from qubo_formulations._shared.node_sets import WeightedNodeSet


class MinimumVertexCover(WeightedNodeSet):
    """Choose nodes of the least total weight such that every edge has at least one of its ends among them.

    Variables: `x[i]` = 1 takes the i-th node, in the graph's order; one per node.
    Objective: the sum of `w[i] x[i]`, minimised.
    Constraints: "edges", the sum over edges of `(1 - x[i]) (1 - x[j])` is 0; the sum counts the uncovered
    edges.
    Start: all nodes but a greedy independent set.
    Sufficient penalty: more than the second largest weight, because the lighter node of an uncovered edge covers
    it at that cost.

    Args:
        graph: a networkx graph, with 1 for nodes that have no `weight`, or edges `(u, v)`.

    Raises:
        FormulationError: the graph is empty, directed, or has loops or parallel edges, or a weight is not a finite
            number >= 0.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 4.3.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> cover = MinimumVertexCover([("a", "b"), ("b", "c"), ("b", "d")])
        >>> sorted(solve(cover.compile(), get_backend("exact")).best.value)
        ['b']
    """

    name: ClassVar[str] = "minimum-vertex-cover"
    summary: ClassVar[str] = "the lightest set of nodes that touches all edges"

    def compile(self) -> Problem[frozenset[Any]]:
        """Compile the problem, with its one constraint."""
        x = {node: Binary(label) for node, label in self.labels.items()}
        uncovered = compiled(sum((1 - x[u]) * (1 - x[v]) for u, v in self.graph.edges), self.labels.values())
        return self.without_pairs("edges", uncovered, "min", one_sided=True)

    def is_feasible(self, value: frozenset[Any]) -> bool:
        """Return whether `value` is a set of the graph's nodes that touches all edges."""
        return super().is_feasible(value) and all(u in value or v in value for u, v in self.graph.edges)
