"""Graphs from any format that holds one."""

from __future__ import annotations

from pathlib import Path

import networkx as nx

from qubo_dnn.errors import FileFormatError
from qubo_dnn.files.formats import FORMATS, guess

_GRAPHS = ("gset", "dimacs-graph")


def read_graph(path: Path) -> nx.Graph:
    """The graph of a file, its weights as the attribute `weight` of edges (Gset) or nodes (DIMACS).

    Raises:
        FileFormatError: the file cannot be read, or is of another format.
    """
    found = guess(path)
    if found.name not in _GRAPHS:
        known = " or ".join(FORMATS[name].summary for name in _GRAPHS)
        raise FileFormatError(f"{path}: is a {found.name} file, not a {known}")
    graph: nx.Graph = found.read(path)
    return graph
