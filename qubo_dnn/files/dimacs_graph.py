"""Graphs of the DIMACS challenges on cliques and colouring (`.col`, `.clq`).

Grammar (DIMACS, "Clique and Coloring Problems: Graph Format", 1993); every line starts with its kind:

    c TEXT           comment
    p edge|col N M   nodes, edges; once, before what follows; some files have `edges`
    d, v, x ...      dimensions, coordinates and parameters of the generator of the graph; skipped
    n I W            node I has the weight W
    e I J            an edge of the nodes I and J, 1 <= I, J <= N

Many published files have every edge in both directions, so repeated edges are merged; M is either the number of
`e` lines or of distinct edges. An edge of a node with itself and other kinds of lines are refused.
"""

from __future__ import annotations

from pathlib import Path

import networkx as nx

from qubo_dnn.files.common.text import TextFile
from qubo_dnn.files.gset import MOST_EDGES, MOST_NODES


def read_dimacs_graph(file: TextFile | Path) -> nx.Graph:
    r"""Read a graph.

    Returns:
        The nodes 1 to n, in this order, and the distinct edges in the order of the file. If the file has weights of
        nodes, every node has the attribute `weight` (float; 1 if the file gives none); otherwise no node has it.

    Raises:
        FileFormatError: the file cannot be read or breaks the grammar; the message names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "graph.col")
        ...     _ = path.write_text("p edge 3 2\ne 1 2\ne 2 3\n")
        ...     list(read_dimacs_graph(path).edges)
        [(1, 2), (2, 3)]
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    nodes, announced, lines = -1, 0, 0
    weights: dict[int, float] = {}
    edges: dict[tuple[int, int], None] = {}  # a set that keeps the order
    for line, text in file.lines():
        match text.split():
            case [] | ["c" | "d" | "v" | "x", *_]:
                pass
            case ["p", "edge" | "edges" | "col", n, m] if nodes < 0:
                nodes = file.integer(n, line, "number of nodes", 0, MOST_NODES)
                announced = file.integer(m, line, "number of edges", 0, MOST_EDGES)
            case ["p", *_]:
                raise file.error("expected 'p edge N M' or 'p col N M', once", line)
            case ["n" | "e", *_] if nodes < 0:
                raise file.error("the line 'p edge N M' has to come first", line)
            case ["n", i, w]:
                node = file.integer(i, line, "node", 1, nodes)
                if node in weights:
                    raise file.error(f"node {node} has two weights", line)
                weights[node] = file.number(w, line, "weight")
            case ["e", i, j]:
                first, second = (file.integer(end, line, "node", 1, nodes) for end in (i, j))
                if first == second:
                    raise file.error(f"node {first} has an edge with itself", line)
                lines += 1
                if (second, first) not in edges:
                    edges[first, second] = None
            case _:
                raise file.error(f"not a line of a DIMACS graph: {text!r}", line)
    if nodes < 0:
        raise file.error("has no line 'p edge N M'")
    if announced not in (lines, len(edges)):
        raise file.error(f"announces {announced} edges but has {lines} ({len(edges)} distinct)")

    graph = nx.Graph()
    graph.add_nodes_from(range(1, nodes + 1))
    if weights:
        nx.set_node_attributes(graph, {node: weights.get(node, 1.0) for node in graph}, "weight")
    graph.add_edges_from(edges)
    return graph
