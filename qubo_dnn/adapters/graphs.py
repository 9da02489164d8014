"""Problems on networkx graphs as plain functions, with answers in the graph's own nodes."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qubo_dnn.adapters.answering import answer, prove
from qubo_dnn.backend import Backend
from qubo_dnn.bounds.certificate import Certificate
from qubo_dnn.conversion import to_problem
from qubo_dnn.errors import BackendFailedError
from qubo_dnn.solving.solution import Solution

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class NodeSet:
    """A set of nodes of a graph that is the best answer found.

    Attributes:
        nodes: the nodes; for a cut, one of its two sides.
        value: total weight of the nodes; for a cut, of the edges between the two sides.
        certificate: proven bound and gap; None unless asked for.
        solution: the whole solution.

    Example:
        >>> import networkx as nx
        >>> found = maximum_clique(nx.complete_graph(3), backend="exact", certify=1.0)
        >>> sorted(found.nodes), found.gap
        ([0, 1, 2], 0.0)
    """

    nodes: frozenset[Hashable]
    value: float
    certificate: Certificate | None = field(repr=False)
    solution: Solution[frozenset[Hashable]] = field(repr=False)

    @property
    def gap(self) -> float | None:
        """Proven gap, 0.0 for an optimum; None if there is no proof."""
        return None if self.certificate is None else self.certificate.gap


def max_cut(graph: nx.Graph, *, backend: Backend | str = "pt", certify: float | None = None, **options: Any) -> NodeSet:
    """Split the nodes of a graph with the greatest weight of edges between the two sides.

    Args:
        graph: undirected graph; edges without `weight` have weight 1.
        backend: a backend or its name.
        certify: seconds for a proof of the gap; None for no proof.
        **options: options of the backend, such as `seed` and `time_limit`; see also `qubo_dnn.adapters.answering`.

    Raises:
        FormulationError: the graph is empty, directed, or has loops or parallel edges.
        QuboDnnError: see `qubo_dnn.solving.solve.solve`.

    Example:
        >>> import networkx as nx
        >>> max_cut(nx.cycle_graph(4), seed=1).value
        4.0
    """
    return _solved("max-cut", graph, backend, certify, options)


def maximum_independent_set(
    graph: nx.Graph, *, backend: Backend | str = "pt", certify: float | None = None, **options: Any
) -> NodeSet:
    """Choose nodes of the greatest total weight of which no two are adjacent.

    Args:
        graph: undirected graph; nodes without `weight` have weight 1.
        backend: a backend or its name.
        certify: seconds for a proof of the gap; None for no proof.
        **options: see `max_cut`.

    Example:
        >>> import networkx as nx
        >>> sorted(maximum_independent_set(nx.star_graph(3), seed=1).nodes)
        [1, 2, 3]
    """
    return _solved("maximum-independent-set", graph, backend, certify, options)


def minimum_vertex_cover(
    graph: nx.Graph, *, backend: Backend | str = "pt", certify: float | None = None, **options: Any
) -> NodeSet:
    """Choose nodes of the least total weight so that every edge has an end among them.

    Args:
        graph: undirected graph; nodes without `weight` have weight 1.
        backend: a backend or its name.
        certify: seconds for a proof of the gap; None for no proof.
        **options: see `max_cut`.

    Example:
        >>> import networkx as nx
        >>> sorted(minimum_vertex_cover(nx.star_graph(3), seed=1).nodes)
        [0]
    """
    return _solved("minimum-vertex-cover", graph, backend, certify, options)


def maximum_clique(
    graph: nx.Graph, *, backend: Backend | str = "pt", certify: float | None = None, **options: Any
) -> NodeSet:
    """Choose nodes of the greatest total weight that are pairwise adjacent.

    Args:
        graph: undirected graph; nodes without `weight` have weight 1.
        backend: a backend or its name.
        certify: seconds for a proof of the gap; None for no proof.
        **options: see `max_cut`.

    Example:
        >>> import networkx as nx
        >>> sorted(maximum_clique(nx.lollipop_graph(3, 2), seed=1).nodes)
        [0, 1, 2]
    """
    return _solved("maximum-clique", graph, backend, certify, options)


def _solved(
    formulation: str, graph: nx.Graph, backend: Backend | str, seconds: float | None, options: dict[str, Any]
) -> NodeSet:
    problem = to_problem(graph, formulation=formulation)
    solution = answer(problem, backend, options)
    best = solution.best
    if not best.feasible:
        raise BackendFailedError(f"backend {solution.backend!r} found no answer that keeps the constraints")
    return NodeSet(best.value, best.objective, None if seconds is None else prove(problem, solution, seconds), solution)
