"""Hardware graphs: the qubits and couplers of a quantum annealer, perfect or with defects, and its ranges."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from qubo_dnn.arguments import checked
from qubo_dnn.errors import FileFormatError, OptionError
from qubo_dnn.extras import require
from qubo_dnn.files.text import TextFile

FAMILIES = ("chimera", "pegasus", "zephyr")
_MAX_QUBITS = 200_000
# Of D-Wave's 2000Q (Chimera) and Advantage systems (Pegasus, Zephyr), as documented; a file of solver properties has
# the values of its own chip.
_RANGES: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "chimera": {"h_range": (-2.0, 2.0), "per_qubit_coupling_range": (-9.0, 6.0)},
    "pegasus": {"h_range": (-4.0, 4.0), "per_qubit_coupling_range": (-18.0, 15.0)},
    "zephyr": {"h_range": (-4.0, 4.0), "per_qubit_coupling_range": (-18.0, 15.0)},
}


@dataclass(frozen=True)
class Target:
    """A working graph: the qubits and couplers that can be used.

    Attributes:
        name: as typed, or of the solver.
        graph: of integer qubits.
        topology: family and shape, e.g. ("pegasus", (16,)); None where it is unknown.
        ranges: `h_range`, `extended_j_range`, `per_qubit_coupling_range`: lowest and highest value that can be
            programmed, dimensionless; the last one for the sum of a qubit's couplings.
        properties: of the solver, where the graph is from one; empty otherwise.
    """

    name: str
    graph: nx.Graph
    topology: tuple[str, tuple[int, ...]] | None
    ranges: Mapping[str, tuple[float, float]]
    properties: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits that tell this graph from others."""
        text = json.dumps([sorted(self.graph.nodes), sorted(map(sorted, self.graph.edges))])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def largest_clique(self) -> int:
        """Variables of the largest complete graph that busclique embeds; 0 where the family is unknown."""
        return 0 if self.topology is None else len(self._cliques.largest_clique())

    def clique(self, size: int) -> list[tuple[int, ...]] | None:
        """Chains of a complete graph, as short as busclique finds them; None where it is too large."""
        if self.topology is None or size > self.largest_clique:
            return None
        return list(self._cliques.find_clique_embedding(size).values())

    @cached_property
    def _cliques(self) -> Any:
        busclique = require("minorminer.busclique", "dwave")
        return busclique.busgraph_cache(self.graph, seed=0)


@checked
def target(text: str, defects: float = 0.0, seed: int = 0) -> Target:
    """The hardware graph that a text names.

    Args:
        text: `pegasus:16`, `zephyr:15`, `chimera:16`, or a JSON file with the `qubits`, `couplers` and `topology` of a
            solver's properties.
        defects: share of the qubits that do not work, drawn at random.
        seed: of that.

    Raises:
        OptionError: the text names no such graph, or the share is not in [0, 1).
        FileFormatError: the file is not a working graph.
        MissingExtraError: the extra `dwave` is not installed.
    """
    family, _, size = text.partition(":")
    if family in FAMILIES:
        found = _perfect(text, family, size)
    elif text.lower().endswith((".json", ".json.gz")):
        found = read_target(Path(text))
    else:
        raise OptionError(f"{text!r} is no target: pegasus:16, zephyr:15, chimera:16, or a .json file of properties")
    if not 0.0 <= defects < 1.0:
        raise OptionError(f"the share of defects is at least 0 and less than 1, not {defects}")
    if not defects:
        return found
    qubits = sorted(found.graph)
    broken = np.random.default_rng(seed).choice(qubits, round(defects * len(qubits)), replace=False)
    graph = found.graph.copy()
    graph.remove_nodes_from(broken.tolist())
    return Target(f"{text} less {defects:.2%}, seed {seed}", graph, found.topology, found.ranges)


def read_target(path: Path) -> Target:
    """The working graph in a JSON file of a solver's properties, as `json.dump(DWaveSampler().properties)` writes it.

    Raises:
        FileFormatError: it is not one.
    """
    file = TextFile(path)
    try:
        found = json.loads(file.content())
    except (ValueError, RecursionError) as cause:
        raise file.error(f"is not JSON: {cause}") from cause
    try:
        return from_properties(str(path), found)
    except FileFormatError as cause:
        raise file.error(str(cause)) from cause


def from_properties(name: str, properties: Any) -> Target:
    """The working graph of a solver.

    Args:
        name: of the result.
        properties: with `qubits` (integers), `couplers` (pairs of them) and `topology` (`type`, `shape`).

    Raises:
        FileFormatError: they are not such a mapping, or a coupler names an unknown qubit.
    """
    if not isinstance(properties, Mapping):
        raise FileFormatError("is not a JSON object with qubits, couplers and topology")
    family, shape = _topology(properties.get("topology"))
    graph = _empty(family, shape)
    _keep(graph, set(_integers("qubits", properties.get("qubits"))), _pairs(properties.get("couplers")))
    ranges = {
        key: _range(key, properties.get(key, default))
        for key, default in {"extended_j_range": (-2.0, 1.0), **_RANGES[family]}.items()
    }
    return Target(name, graph, (family, shape), ranges, properties)


def _keep(graph: nx.Graph, qubits: set[int], couplers: set[tuple[int, int]]) -> None:
    """Take all but these away from the perfect graph, whose attributes tell busclique its coordinates."""
    ends = {qubit for coupler in couplers for qubit in coupler}
    if not ends <= qubits:
        raise FileFormatError(f"has a coupler of the qubit {min(ends - qubits)}, which it lacks")
    if not (qubits <= set(graph) and all(graph.has_edge(*coupler) for coupler in couplers)):
        raise FileFormatError("has qubits or couplers that a graph of its topology lacks")
    graph.remove_nodes_from(set(graph) - qubits)
    graph.remove_edges_from([edge for edge in graph.edges if (min(edge), max(edge)) not in couplers])


def _perfect(text: str, family: str, size: str) -> Target:
    shape = tuple(int(part) for part in size.split(":") if part.isdecimal())
    if not shape or ":".join(map(str, shape)) != size or min(shape) < 1 or (family == "pegasus" and shape[0] < 2):
        raise OptionError(f"a {family} graph needs its size, as in {family}:16, not {text!r}")
    graph = _empty(family, shape)
    return Target(text, graph, (family, shape), {"extended_j_range": (-2.0, 1.0), **_RANGES[family]})


def _empty(family: str, shape: tuple[int, ...]) -> nx.Graph:
    """The perfect graph of a shape.

    Raises:
        OptionError: it is too large, or the family does not take so many numbers.
    """
    m = shape[0]
    # Chimera and Zephyr also take the tile's size, which is 4 on every chip.
    estimate = {"chimera": 8 * m * m, "pegasus": 24 * m * (m - 1), "zephyr": 16 * m * (2 * m + 1)}[family]
    if estimate > _MAX_QUBITS or max(shape[1:], default=1) > 64:
        raise OptionError(f"a {family} graph of shape {list(shape)} has more than {_MAX_QUBITS:,} qubits")
    graphs = require("dwave.graphs", "dwave")
    if len(shape) > {"chimera": 3, "pegasus": 1, "zephyr": 2}[family]:
        raise OptionError(f"a {family} graph has no shape {list(shape)}")
    graph: nx.Graph = getattr(graphs, f"{family}_graph")(*shape)
    return graph


def _topology(found: Any) -> tuple[str, tuple[int, ...]]:
    if not isinstance(found, Mapping) or found.get("type") not in FAMILIES:
        raise FileFormatError(f"lacks a topology with a type ({', '.join(FAMILIES)}) and a shape")
    shape = tuple(_integers("the shape", found.get("shape")))
    if not shape or min(shape) < 1:
        raise FileFormatError("has a topology without a shape")
    return found["type"], shape


def _pairs(found: Any) -> set[tuple[int, int]]:
    if not isinstance(found, list):
        raise FileFormatError("lacks couplers, a list of pairs of qubits")
    pairs = set()
    for each in found:
        ends = _integers("a coupler", each)
        if len(ends) != 2:
            raise FileFormatError(f"has {str(each)[:80]} among the couplers, which is no pair of qubits")
        pairs.add((min(ends), max(ends)))
    return pairs


def _integers(what: str, found: Any) -> list[int]:
    if not isinstance(found, list) or not all(type(each) is int and 0 <= each < 2**31 for each in found):
        raise FileFormatError(f"has {str(found)[:80]} for {what}, not a list of integers")
    return found


def _range(key: str, found: Any) -> tuple[float, float]:
    try:
        low, high = (float(bound) for bound in found)
    except (TypeError, ValueError):
        low = high = 0.0
    if not (np.isfinite([low, high]).all() and low < 0.0 < high):
        raise FileFormatError(f"has {str(found)[:80]} for {key}, not a negative and a positive number")
    return low, high
