"""Minimum (weight) vertex cover: nodes of a graph that touch all of its edges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import networkx as nx
from pyqubo import Binary

from qubo_dnn.constraint import Constraint
from qubo_dnn.files.graphs import read_graph
from qubo_dnn.problem import Problem, Sample
from qubo_formulations._graphs import Edges, as_graph, node_weights, subsets
from qubo_formulations._models import compiled


class MinimumVertexCover:
    """Nodes of the least total weight that every edge has at least one of.

    Variables: `x[i]` = 1 takes the i-th node, in the graph's order; one per node.
    Objective: the sum of `w[i] x[i]`, minimised.
    Constraints: "edges", the sum over edges of `(1 - x[i]) (1 - x[j])` is 0; it counts the edges left uncovered.
    Sufficient penalty: more than the second largest weight, since every uncovered edge can be covered by its lighter
    node.

    Args:
        graph: a networkx graph, its nodes' `weight` 1 where there is none, or edges `(u, v)`.

    Raises:
        FormulationError: the graph is empty, directed, or has loops or parallel edges, or a weight is not a finite
            number >= 0.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 4.3.
    """

    name: ClassVar[str] = "minimum-vertex-cover"
    summary: ClassVar[str] = "the lightest set of nodes that touches all edges"

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
        graph = nx.gnm_random_graph(8, 12, seed=seed)
        nx.set_node_attributes(graph, {node: (3 * node + seed) % 4 + 1 for node in graph}, "weight")
        return cls(graph)

    def compile(self) -> Problem[frozenset[Any]]:
        """The problem, with its one constraint."""
        x = {node: Binary(label) for node, label in self.labels.items()}
        uncovered = compiled(sum((1 - x[u]) * (1 - x[v]) for u, v in self.graph.edges), self.labels.values())
        second = sorted(self.weights.values())[-2:][0]
        return Problem(
            objective=compiled(sum(w * x[node] for node, w in self.weights.items()), self.labels.values()),
            decoder=self.decode,
            constraints={"edges": Constraint(uncovered, "<=", 0.0, one_sided=True)},
            penalties={"edges": 1.25 * second or 1.0},
        )

    def decode(self, sample: Sample) -> frozenset[Any]:
        """The nodes taken."""
        return frozenset(node for node, label in self.labels.items() if sample[label])

    def cost(self, value: frozenset[Any]) -> float:
        """Total weight of the nodes of `value`."""
        return float(sum(self.weights[node] for node in value))

    def is_feasible(self, value: frozenset[Any]) -> bool:
        """Whether `value` is a set of the graph's nodes that touches all edges."""
        return all(node in self.graph for node in value) and all(u in value or v in value for u, v in self.graph.edges)

    def answers(self) -> Iterator[frozenset[Any]]:
        """All vertex covers."""
        return filter(self.is_feasible, subsets(self.graph))
