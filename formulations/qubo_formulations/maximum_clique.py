"""Maximum (weight) clique: nodes of a graph that are all adjacent to each other."""

from __future__ import annotations

from itertools import combinations
from typing import Any, ClassVar, Self

import networkx as nx
import numpy as np

from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem
from qubo_formulations._models import from_arrays
from qubo_formulations._node_sets import WeightedNodeSet, weighted_example


class MaximumClique(WeightedNodeSet):
    """Nodes of the greatest total weight that are pairwise adjacent.

    Variables: `x[i]` = 1 takes the i-th node, in the graph's order; one per node.
    Objective: the sum of `w[i] x[i]`, maximised.
    Constraints: "pairs", the sum of `x[i] x[j]` over pairs that are not adjacent is 0; it counts the missing edges.
    Sufficient penalty: more than the second largest weight, since every missing edge can be paid for by leaving out its
    lighter node.

    Args:
        graph: a networkx graph, its nodes' `weight` 1 where there is none, or edges `(u, v)`.

    Raises:
        FormulationError: the graph is empty, directed, or has loops or parallel edges, or a weight is not a finite
            number >= 0.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 2.3.
    """

    name: ClassVar[str] = "maximum-clique"
    summary: ClassVar[str] = "the heaviest set of nodes that are all adjacent"

    @classmethod
    def example(cls, seed: int) -> Self:
        """A random graph of 8 nodes with weights from 1 to 4."""
        return cls(weighted_example(seed, 16))

    def compile(self) -> Problem[frozenset[Any]]:
        """The problem, from arrays: the complement of a graph may be dense."""
        size = len(self.graph)
        apart = ~np.asarray(nx.to_numpy_array(self.graph, weight=None), bool)
        rows, columns = np.nonzero(np.triu(apart, 1))
        labels = list(self.labels.values())
        missing = from_arrays(labels, np.zeros(size), rows, columns, np.ones(len(rows)))
        return Problem(
            objective=from_arrays(labels, -np.array(list(self.weights.values()))),
            decoder=self.decode,
            constraints={"pairs": Constraint(missing, "<=", 0.0)},
            sense="max",
            penalties={"pairs": self.pair_penalty},
        )

    def is_feasible(self, value: frozenset[Any]) -> bool:
        """Whether `value` is a set of the graph's nodes that are all adjacent."""
        known = super().is_feasible(value)
        return known and all(self.graph.has_edge(u, v) for u, v in combinations(value, 2))
