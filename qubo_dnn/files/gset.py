"""Max-cut graphs in the format of the Gset and of the generator rudy: `n m`, then one line per edge.

Grammar (Helmberg and Rendl 2000, https://web.stanford.edu/~yyye/yyye/Gset/):

    # TEXT      comment; so are lines that begin with `%` or with the word `c`
    N M         nodes, edges
    I J [W]     an edge of the nodes I and J, 1 <= I, J <= N; the default of W is 1

Blank lines are skipped. A file may list every edge in both directions, with equal weights: each then counts once, and M
is the number of edges or of lines. Edges repeated in any other way, and loops, are refused.
"""

from __future__ import annotations

from pathlib import Path

import networkx as nx

from qubo_dnn.files.common.symmetric import SymmetricEntries
from qubo_dnn.files.common.text import TextFile

MOST_NODES = 1_000_000
"""The header alone decides the number of nodes, and a node without edges takes some hundred bytes."""

MOST_EDGES = 100_000_000


def read_gset(file: TextFile | Path) -> nx.Graph:
    r"""Read a weighted graph.

    Returns:
        The nodes 1 to n, in this order, and the edges in the order of the file with the attribute `weight` (float).

    Raises:
        FileFormatError: the file cannot be read or breaks the grammar; the message names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "graph.gset")
        ...     _ = path.write_text("3 2\n1 2 5\n2 3 1\n")
        ...     list(read_gset(path).edges(data="weight"))
        [(1, 2, 5.0), (2, 3, 1.0)]
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    rows = file.rows(comments=("#", "%"), comment_words=("c",))
    line, header = next(rows, (None, []))
    if len(header) != 2:
        raise file.error("expected the numbers of nodes and edges", line)
    nodes = file.integer(header[0], line, "number of nodes", 0, MOST_NODES)
    announced = file.integer(header[1], line, "number of edges", 0, MOST_EDGES)

    edges = SymmetricEntries(file, "the edge of")
    for line, fields in rows:
        if len(fields) not in (2, 3):
            raise file.error(f"expected an edge 'i j weight', found {len(fields)} fields", line)
        first, second = (file.integer(field, line, "node", 1, nodes) for field in fields[:2])
        weight = file.number(fields[2], line, "weight") if len(fields) == 3 else 1.0
        if first == second:
            raise file.error(f"node {first} has an edge with itself", line)
        edges.add(line, first, second, weight)
    edges.check()
    if announced not in (len(edges.values), edges.lines):
        raise file.error(f"announces {announced} edges but has {len(edges.values)}")

    graph = nx.Graph()
    graph.add_nodes_from(range(1, nodes + 1))
    graph.add_weighted_edges_from((*edge, weight) for edge, weight in edges.values.items())
    return graph
