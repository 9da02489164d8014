"""Base classes of formulations whose answers are sets of nodes of a graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

import dimod
import networkx as nx
import numpy as np
from pyqubo import Binary

from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.graphs import Edges, as_graph, node_weights, subsets
from qubo_formulations._shared.greedy import greedy_independent_set
from qubo_formulations._shared.instances import GraphInstance
from qubo_formulations._shared.models import compiled


class NodeSetInstance(GraphInstance):
    """One variable `x[i]` per node, in the graph's order, which is 1 if the node is in the answer."""

    @checked
    def __init__(self, graph: nx.Graph | Edges) -> None:
        self.graph = as_graph(graph)
        self.labels = {node: f"x[{i}]" for i, node in enumerate(self.graph)}

    def decode(self, sample: Sample) -> frozenset[Any]:
        """Return the nodes of the answer."""
        return frozenset(node for node, label in self.labels.items() if sample[label])

    def is_feasible(self, value: frozenset[Any]) -> bool:
        """Return whether `value` is a set of the graph's nodes."""
        return all(node in self.graph for node in value)

    def answers(self) -> Iterator[frozenset[Any]]:
        """Generate all feasible sets of nodes."""
        return filter(self.is_feasible, subsets(self.graph))


class Cut(NodeSetInstance):
    """A side of a graph, whose value or cost is the weight of the edges between it and the other nodes."""

    @property
    def cut(self) -> dimod.BinaryQuadraticModel:
        """The sum over edges of `w[i,j] (x[i] + x[j] - 2 x[i] x[j])`."""
        x = {node: Binary(label) for node, label in self.labels.items()}
        weighted = sum(w * (x[u] + x[v] - 2 * x[u] * x[v]) for u, v, w in self.graph.edges(data="weight"))
        return compiled(weighted, self.labels.values())

    def cost(self, value: frozenset[Any]) -> float:
        """Return the weight of the edges between `value` and the other nodes."""
        return float(sum(w for u, v, w in self.graph.edges(data="weight") if (u in value) != (v in value)))


class WeightedNodeSet(NodeSetInstance):
    """A set of nodes whose value or cost is the sum of the weights of its nodes."""

    example_edges: ClassVar[int] = 12

    @checked
    def __init__(self, graph: nx.Graph | Edges) -> None:
        super().__init__(graph)
        self.weights = node_weights(self.graph)

    @classmethod
    def example(cls, seed: int) -> Self:
        """A random graph of 8 nodes with weights from 1 to 4."""
        graph = nx.gnm_random_graph(8, cls.example_edges, seed=seed)
        nx.set_node_attributes(graph, {node: (3 * node + seed) % 4 + 1 for node in graph}, "weight")
        return cls(graph)

    def cost(self, value: frozenset[Any]) -> float:
        """Return the total weight of the nodes of `value`."""
        return float(sum(self.weights[node] for node in value))

    def without_pairs(
        self, label: str, pairs: dimod.BinaryQuadraticModel, sense: Literal["min", "max"], one_sided: bool = False
    ) -> Problem[frozenset[Any]]:
        """Return the problem of the best weight for which `pairs`, the number of forbidden pairs, is 0.

        The penalty is more than the second largest weight, because correcting a pair costs at most that weight. The
        start is a greedy set without pairs, or its complement if the least weight is wanted.
        """
        sign = -1.0 if sense == "max" else 1.0
        labels = list(self.labels.values())
        _, (rows, columns, _), _ = pairs.to_numpy_vectors(variable_order=labels)
        apart = greedy_independent_set(np.array([rows, columns], np.int64), np.array(list(self.weights.values())))
        biases = {x: sign * self.weights[node] for node, x in self.labels.items()}
        return Problem(
            objective=dimod.BinaryQuadraticModel(biases, {}, 0.0, dimod.BINARY),
            decoder=self.decode,
            constraints={label: Constraint(pairs, "<=", 0.0, one_sided=one_sided)},
            sense=sense,
            penalties={label: 1.25 * sorted(self.weights.values())[-2:][0] or 1.0},
            start=dict(zip(labels, (apart if sense == "max" else 1 - apart).tolist(), strict=True)),
        )
