"""Graph colouring: give adjacent nodes different colours and use few colours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, ClassVar, Self

import networkx as nx
from pyqubo import Binary

from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import FormulationError
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.graphs import Edges, as_graph
from qubo_formulations._shared.instances import GraphInstance
from qubo_formulations._shared.models import check_size, compiled

Coloring = Mapping[Any, int | None]


class GraphColoring(GraphInstance):
    """Give every node a colour such that adjacent nodes differ, and use as few colours as possible.

    Variables: `x[i][c]` = 1 gives the i-th node, in the graph's order, colour c; `y[c]` = 1 if colour c is used;
    (n + 1) k for n nodes and k colours.
    Objective: the sum of `y[c]`, minimised.
    Constraints: one colour per node (one-hot); "edges", the sum over edges and colours of `x[i][c] x[j][c]` is 0;
    "colours", the sum of `x[i][c] (1 - y[c])` is 0.
    Start: a greedy colouring (DSATUR), if it takes no more than k colours.
    Sufficient penalty: more than k, because an infeasible state costs at least one penalty and a colouring at most k.

    Args:
        graph: a networkx graph, or edges `(u, v)`.
        colors: k, the number of colours available; None: the number that a greedy colouring (DSATUR) uses.

    Raises:
        FormulationError: the graph is empty, directed, or has loops or parallel edges, or `colors` is below 1.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 6.1.

    Example:
        >>> coloring = GraphColoring([("a", "b"), ("b", "c"), ("c", "a")])  # a triangle
        >>> problem = coloring.compile()
        >>> coloring.colors, problem.objective.num_variables, sorted(problem.constraints)
        (3, 12, ['colours', 'edges'])
    """

    name: ClassVar[str] = "graph-coloring"
    summary: ClassVar[str] = "few colours for the nodes of a graph, different for adjacent nodes"
    auxiliary: ClassVar[bool] = True

    @checked
    def __init__(self, graph: nx.Graph | Edges, colors: int | None = None) -> None:
        self.graph = as_graph(graph)
        self._greedy = nx.greedy_color(self.graph, strategy="DSATUR")
        if colors is None:
            colors = 1 + max(self._greedy.values())
        if colors < 1:
            raise FormulationError(f"nodes cannot be coloured with {colors} colours")
        check_size(colors * len(self.graph))
        self.colors = colors
        self.groups = {node: tuple(f"x[{i}][{c}]" for c in range(colors)) for i, node in enumerate(self.graph)}

    @classmethod
    def example(cls, seed: int) -> Self:
        """A random tree of 4 nodes, and 3 colours."""
        return cls(nx.random_labeled_tree(4, seed=seed), colors=3)

    def compile(self) -> Problem[Coloring]:
        """Compile the problem; it is written in pyqubo."""
        x = {node: [Binary(label) for label in group] for node, group in self.groups.items()}
        y = [Binary(f"y[{c}]") for c in range(self.colors)]
        labels = [*(label for group in self.groups.values() for label in group), *(f"y[{c}]" for c in range(len(y)))]
        edges = sum(x[u][c] * x[v][c] for u, v in self.graph.edges for c in range(self.colors))
        colors = sum(own[c] * (1 - y[c]) for own in x.values() for c in range(self.colors))
        constraints = {
            "edges": Constraint(compiled(edges, labels), "<=", 0.0),
            "colours": Constraint(compiled(colors, labels), "<=", 0.0, one_sided=True),
        }
        one_hot = {f"node {node}": group for node, group in self.groups.items()}
        return Problem(
            objective=compiled(sum(y), labels),
            decoder=self.decode,
            one_hot=one_hot,
            constraints=constraints,
            penalties=dict.fromkeys((*one_hot, *constraints), self.colors + 1.0),
            start=self._start(labels),
        )

    def _start(self, labels: list[str]) -> dict[str, int] | None:
        """Return the sample of the greedy colouring; None if it has too many colours."""
        used = set(self._greedy.values())
        if len(used) > self.colors:
            return None
        chosen = {self.groups[node][color] for node, color in self._greedy.items()} | {f"y[{c}]" for c in used}
        return {label: int(label in chosen) for label in labels}

    def decode(self, sample: Sample) -> Coloring:
        """Return the colour of every node: the lowest if a sample has several, None if it has none."""
        return {
            node: next((c for c, label in enumerate(group) if sample[label]), None)
            for node, group in self.groups.items()
        }

    def cost(self, value: Coloring) -> float:
        """Return the number of colours in use."""
        return float(len({color for color in value.values() if color is not None}))

    def is_feasible(self, value: Coloring) -> bool:
        """Return whether every node has one of the k colours and adjacent nodes differ."""
        known = value.keys() == set(self.graph) and all(color in range(self.colors) for color in value.values())
        return known and all(value[u] != value[v] for u, v in self.graph.edges)

    def answers(self) -> Iterator[Coloring]:
        """Generate all feasible colourings."""
        choices = product(range(self.colors), repeat=len(self.graph))
        return filter(self.is_feasible, (dict(zip(self.graph, chosen, strict=True)) for chosen in choices))
