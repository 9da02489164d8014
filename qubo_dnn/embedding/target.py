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

from qubo_dnn.errors import FileFormatError, OptionError
from qubo_dnn.files.common.text import TextFile
from qubo_dnn.support.arguments import checked
from qubo_dnn.support.extras import require

FAMILIES = ("chimera", "pegasus", "zephyr")
_MAX_QUBITS = 200_000
# Documented ranges of D-Wave's 2000Q (Chimera) and Advantage systems (Pegasus, Zephyr); a file of solver properties
# contains the values of its chip.
_RANGES: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "chimera": {"h_range": (-2.0, 2.0), "per_qubit_coupling_range": (-9.0, 6.0)},
    "pegasus": {"h_range": (-4.0, 4.0), "per_qubit_coupling_range": (-18.0, 15.0)},
    "zephyr": {"h_range": (-4.0, 4.0), "per_qubit_coupling_range": (-18.0, 15.0)},
}


@dataclass(frozen=True)
class Target:
    """A working graph: the qubits and couplers that can be used.

    Attributes:
        name: name given by the user, or name of the solver.
        graph: graph of integer qubits.
        topology: family and shape, e.g. ("pegasus", (16,)); None if unknown.
        ranges: `h_range`, `extended_j_range`, `per_qubit_coupling_range`: lowest and highest programmable
            value, dimensionless; the last one limits the sum of the couplings of a qubit.
        properties: properties of the solver, if the graph is that of a solver; otherwise empty.

    Example:
        >>> chip = target("chimera:1")
        >>> chip.topology, len(chip.graph), chip.largest_clique
        (('chimera', (1,)), 8, 4)
    """

    name: str
    graph: nx.Graph
    topology: tuple[str, tuple[int, ...]] | None
    ranges: Mapping[str, tuple[float, float]]
    properties: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def digest(self) -> str:
        """Hash of the graph, 16 hexadecimal digits."""
        text = json.dumps([sorted(self.graph.nodes), sorted(map(sorted, self.graph.edges))])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def largest_clique(self) -> int:
        """Number of variables of the largest complete graph that busclique embeds; 0 if the family is unknown."""
        return 0 if self.topology is None else len(self._cliques.largest_clique())

    def clique(self, size: int) -> list[tuple[int, ...]] | None:
        """Return the shortest chains of a complete graph that busclique finds; None if the graph is too large."""
        if self.topology is None or size > self.largest_clique:
            return None
        return list(self._cliques.find_clique_embedding(size).values())

    @cached_property
    def _cliques(self) -> Any:
        busclique = require("minorminer.busclique", "dwave")
        return busclique.busgraph_cache(self.graph, seed=0)


@checked
def target(text: str, defects: float = 0.0, seed: int = 0) -> Target:
    """Make the hardware graph that a text names.

    Args:
        text: `pegasus:16`, `zephyr:15`, `chimera:16`, or a JSON file with the `qubits`, `couplers` and `topology` of a
            solver's properties.
        defects: share of defective qubits, chosen at random.
        seed: random seed of the defects.

    Raises:
        OptionError: the text names no such graph, or the share is not in [0, 1).
        FileFormatError: the file is not a working graph.
        MissingExtraError: the extra `dwave` is not installed.

    Example:
        >>> chip = target("chimera:2", defects=0.25, seed=1)
        >>> len(chip.graph)  # of 32 qubits
        24
    """
    family, _, size = text.partition(":")
    if family in FAMILIES:
        found = _perfect(text, family, size)
    elif text.lower().endswith((".json", ".json.gz")):
        found = read_target(Path(text))
    else:
        raise OptionError(
            f"{text!r} is not a target; use pegasus:16, zephyr:15, chimera:16, or a .json file of properties"
        )
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
    """Read a working graph from a JSON file of solver properties, as written from `DWaveSampler().properties`.

    Raises:
        FileFormatError: the file contains no such properties.

    Example:
        >>> import tempfile
        >>> properties = {"qubits": [0, 4], "couplers": [[0, 4]], "topology": {"type": "chimera", "shape": [1, 1, 4]}}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "properties.json").write_text(json.dumps(properties))
        ...     read_target(Path(folder, "properties.json")).graph.number_of_edges()
        1
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
    """Make the working graph of a solver.

    Args:
        name: name of the result.
        properties: mapping with `qubits` (integers), `couplers` (pairs of them) and `topology` (`type`, `shape`).

    Raises:
        FileFormatError: it is not such a mapping, or a coupler names an unknown qubit.

    Example:
        >>> properties = {"qubits": [0, 4], "couplers": [[0, 4]], "topology": {"type": "chimera", "shape": [1, 1, 4]}}
        >>> from_properties("chip", properties).topology
        ('chimera', (1, 1, 4))
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
    """Remove all other qubits and couplers from the perfect graph, whose attributes busclique needs."""
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
    """Return the perfect graph of a shape.

    Raises:
        OptionError: the graph is too large, or the number of sizes is wrong for the family.
    """
    m = shape[0]
    # Chimera and Zephyr also accept the tile size, which is 4 on every chip.
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
            raise FileFormatError(f"has {str(each)[:80]} among the couplers, which is not a pair of qubits")
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
