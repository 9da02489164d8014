"""Maximum (weight) clique: nodes of a graph that are all adjacent to each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar, Self

import networkx as nx
import numpy as np

from qubo_dnn.constraint import Constraint
from qubo_dnn.files.graphs import read_graph
from qubo_dnn.problem import Problem, Sample
from qubo_formulations._graphs import Edges, as_graph, node_weights, subsets
from qubo_formulations._models import from_arrays


class MaximumClique:
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

    def __init__(self, graph: nx.Graph | Edges) -> None:
        self.graph = as_graph(graph)
        self.weights = node_weights(self.graph)
        self.labels = {node: f"x[{i}]" for i, node in enumerate(self.graph)}

    @staticmethod
    def read(path: Path) -> dict[str, Any]:
        """The graph of a Gset or DIMACS file."""
        return {"graph": read_graph(path)}

    @classmethod
    def example(cls, seed: int) -> Self:
        """A random graph of 8 nodes with weights from 1 to 4."""
        graph = nx.gnm_random_graph(8, 16, seed=seed)
        nx.set_node_attributes(graph, {node: (3 * node + seed) % 4 + 1 for node in graph}, "weight")
        return cls(graph)

    def compile(self) -> Problem[frozenset[Any]]:
        """The problem, from arrays: the complement of a graph may be dense."""
        size = len(self.graph)
        apart = ~np.asarray(nx.to_numpy_array(self.graph, weight=None), bool)
        rows, columns = np.nonzero(np.triu(apart, 1))
        labels = list(self.labels.values())
        missing = from_arrays(labels, np.zeros(size), rows, columns, np.ones(len(rows)))
        second = sorted(self.weights.values())[-2:][0]
        return Problem(
            objective=from_arrays(labels, -np.array(list(self.weights.values()))),
            decoder=self.decode,
            constraints={"pairs": Constraint(missing, "<=", 0.0)},
            sense="max",
            penalties={"pairs": 1.25 * second or 1.0},
        )

    def decode(self, sample: Sample) -> frozenset[Any]:
        """The nodes taken."""
        return frozenset(node for node, label in self.labels.items() if sample[label])

    def cost(self, value: frozenset[Any]) -> float:
        """Total weight of the nodes of `value`."""
        return float(sum(self.weights[node] for node in value))

    def is_feasible(self, value: frozenset[Any]) -> bool:
        """Whether `value` is a set of the graph's nodes that are all adjacent."""
        known = all(node in self.graph for node in value)
        return known and all(self.graph.has_edge(u, v) for u, v in combinations(value, 2))

    def answers(self) -> Iterator[frozenset[Any]]:
        """All cliques, the empty one too."""
        return filter(self.is_feasible, subsets(self.graph))
