"""Max-cut graphs as in the Gset: `n m`, then one line per edge.

Grammar (Helmberg and Rendl 2000, https://web.stanford.edu/~yyye/yyye/Gset/):

    N M         nodes, edges
    I J [W]     M lines: an edge of the nodes I and J, 1 <= I, J <= N; its weight W is 1 where it is left out

Blank lines are passed over. An edge twice (in either direction) and an edge of a node with itself are refused.
"""

from __future__ import annotations

from pathlib import Path

import networkx as nx

from qubo_dnn.files.text import TextFile

MOST_NODES = 1_000_000
"""A node without edges costs some hundred bytes, and the header alone decides how many there are."""

MOST_EDGES = 100_000_000


def read_gset(file: TextFile | Path) -> nx.Graph:
    """Read a weighted graph.

    Returns:
        The nodes 1 to n, in this order, and the edges in the order of the file with the attribute `weight` (float).

    Raises:
        FileFormatError: the file cannot be read or breaks the grammar; the text names file and line.
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    rows = ((line, fields) for line, text in file.lines() if (fields := text.split()))
    line, header = next(rows, (None, []))
    if len(header) != 2:
        raise file.error("expected the numbers of nodes and edges", line)
    nodes = file.integer(header[0], line, "number of nodes", 0, MOST_NODES)
    announced = file.integer(header[1], line, "number of edges", 0, MOST_EDGES)

    edges: dict[tuple[int, int], float] = {}
    for line, fields in rows:
        if len(fields) not in (2, 3):
            raise file.error(f"expected an edge 'i j weight', found {len(fields)} fields", line)
        first, second = (file.integer(field, line, "node", 1, nodes) for field in fields[:2])
        weight = file.number(fields[2], line, "weight") if len(fields) == 3 else 1.0
        if first == second:
            raise file.error(f"node {first} has an edge with itself", line)
        if (first, second) in edges or (second, first) in edges:
            raise file.error(f"the edge of {first} and {second} is there twice", line)
        edges[first, second] = weight
    if len(edges) != announced:
        raise file.error(f"announces {announced} edges but has {len(edges)}")

    graph = nx.Graph()
    graph.add_nodes_from(range(1, nodes + 1))
    graph.add_weighted_edges_from((*edge, weight) for edge, weight in edges.items())
    return graph
