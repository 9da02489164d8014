"""Find, verify, save and load minor embeddings: a chain of qubits for every variable."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

import networkx as nx
from dimod.variables import iter_deserialize_variables, iter_serialize_variables

from qubo_dnn.embedding.target import Target
from qubo_dnn.errors import EmbeddingError, FileFormatError, OptionError
from qubo_dnn.files.common.output import write_atomically
from qubo_dnn.files.common.text import TextFile
from qubo_dnn.problem import natural_key
from qubo_dnn.support.arguments import checked
from qubo_dnn.support.extras import require

Embedder = Literal["auto", "clique", "minorminer"]
# From this density on, minorminer never beat the chains of a clique in our measurements.
_DENSE = 0.8


@dataclass(frozen=True)
class Embedding:
    """The positions of the variables of a model on a chip.

    Attributes:
        chains: variable -> its qubits, at least one.
        target: the hardware graph of these qubits.
        embedder: source of the embedding: "clique", "minorminer", or the file from which it was loaded.
        seed: random seed of minorminer.
        seconds: wall-clock seconds of the search.

    Example:
        >>> from qubo_dnn.embedding.target import target
        >>> embedding = Embedding({"a": (0, 4), "b": (1,)}, target("chimera:1"), "clique", seed=0, seconds=0.0)
        >>> embedding.longest, embedding.qubits, embedding.faults(nx.Graph([("a", "b")]))
        (2, 3, [])
    """

    chains: Mapping[Any, tuple[int, ...]]
    target: Target
    embedder: str
    seed: int
    seconds: float

    @property
    def longest(self) -> int:
        """Number of qubits of the longest chain, 0 without variables."""
        return max(map(len, self.chains.values()), default=0)

    @property
    def qubits(self) -> int:
        """Number of qubits used."""
        return sum(map(len, self.chains.values()))

    def faults(self, source: nx.Graph) -> list[str]:
        """Return the faults as an embedding of a graph: missing or disconnected chains, shared qubits, no coupler."""
        embedding = require("dwave.embedding", "dwave")
        found = []
        for kind, *where in embedding.diagnose_embedding(dict(self.chains), source, self.target.graph):
            places = ", ".join(map(repr, where))
            found.append(f"{kind.__name__.removesuffix('Error')}: {places}")
        return found

    def save(self, path: Path) -> None:
        """Write the embedding as JSON.

        Raises:
            OutputError: the file cannot be written.
        """
        data = {
            "target": self.target.name,
            "target_digest": self.target.digest,
            "embedder": self.embedder,
            "seed": self.seed,
            "seconds": self.seconds,
            "chains": [
                [label, list(chain)]
                for label, chain in zip(iter_serialize_variables(self.chains), self.chains.values(), strict=True)
            ],
        }
        write_atomically(path, (json.dumps(data) + "\n").encode())


@checked
def load_embedding(path: Path, source: nx.Graph, target: Target) -> Embedding:
    """Load an embedding from a file and verify it.

    Args:
        path: path of a file of `Embedding.save`, or of a JSON object `{variable: [qubit, ...]}`. Keys in JSON are
            texts: a key means the variable with that text, or else the variable that prints as that text, such as an
                integer.
        source: graph of the model, over its variables.
        target: the hardware graph.

    Returns:
        The chains of the variables of `source`; other variables, which presolve may have fixed, are dropped.

    Raises:
        FileFormatError: the file contains no embedding.
        EmbeddingError: it does not embed `source` in `target`.

    Example:
        >>> from qubo_dnn.embedding.target import target
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "chains.json").write_text('{"a": [0], "b": [4]}')
        ...     embedding = load_embedding(Path(folder, "chains.json"), nx.Graph([("a", "b")]), target("chimera:1"))
        >>> embedding.chains
        {'a': (0,), 'b': (4,)}
    """
    file = TextFile(path)
    try:
        data = json.loads(file.content(), object_pairs_hook=partial(_without_repetition, file))
    except (ValueError, RecursionError) as cause:
        if isinstance(cause, FileFormatError):
            raise
        raise file.error(f"is not JSON: {cause}") from cause
    if not isinstance(data, dict) or not data:
        raise file.error(
            "is not an embedding: expected a JSON object {variable: [qubit, ...]}, or one as saved by this program"
        )
    saved = data.get("chains")
    if isinstance(saved, list) and all(isinstance(each, list) for each in saved):
        chosen = _saved(file, saved)
    else:
        chosen = _by_text(file, data, source)
    found = Embedding(chosen, target, str(path), 0, 0.0)
    faults = found.faults(source)
    if faults:
        raise EmbeddingError(f"{path} is not an embedding into {target.name}: {faults[0]} ({len(faults)} in all)")
    return Embedding({v: chosen[v] for v in source}, target, str(path), 0, 0.0)


def _without_repetition(file: TextFile, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a JSON object and refuse repeated keys, of which JSON would silently keep the last value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise file.error(f"has the key {next(key for key in keys if keys.count(key) > 1)!r} twice")
    return found


def _saved(file: TextFile, pairs: list[list[Any]]) -> dict[Hashable, tuple[int, ...]]:
    """Read the chains of a file of `Embedding.save`: pairs of a label and its qubits."""
    try:
        labels, chains = zip(*pairs, strict=True) if pairs else ((), ())
        names = list(iter_deserialize_variables(labels))
        return {name: _chain(file, name, chain) for name, chain in zip(names, chains, strict=True)}
    except (ValueError, TypeError) as cause:
        if isinstance(cause, FileFormatError):
            raise
        raise file.error(f"is not an embedding as saved by this program: {cause}") from cause


def _by_text(file: TextFile, chains: Mapping[str, Any], source: nx.Graph) -> dict[Hashable, tuple[int, ...]]:
    """Return the chains of the variables that the keys mean; other keys stay unchanged."""
    written: dict[str, Hashable] = {str(variable): variable for variable in source}
    return {key if key in source else written.get(key, key): _chain(file, key, chain) for key, chain in chains.items()}


def _chain(file: TextFile, variable: Hashable, qubits: Any) -> tuple[int, ...]:
    """Return the qubits of a variable."""
    if not isinstance(qubits, list) or not all(type(qubit) is int for qubit in qubits):
        raise file.error(f"has {json.dumps(qubits)[:80]} as the chain of {variable!r}, not a list of qubits")
    return tuple(qubits)


def embed(
    source: nx.Graph, target: Target, embedder: Embedder = "auto", time_limit: float = 60.0, seed: int = 0
) -> Embedding:
    """Find chains for all nodes of a graph.

    "auto" uses the chains of a complete graph if the target embeds one of that size, and lets minorminer search for
    shorter chains if the graph is sparse enough. The embedding with the shorter longest chain wins, then the one with
    fewer qubits.

    Args:
        source: graph with the variables of the model as nodes and its interactions as edges.
        target: the hardware graph.
        embedder: "auto", "clique" or "minorminer".
        time_limit: wall-clock seconds for minorminer, > 0; it may take slightly longer.
        seed: random seed of minorminer; it determines the result unless the time limit ends the search.

    Raises:
        OptionError: the embedder is unknown.
        EmbeddingError: no embedding was found; the message names the limit of this target.
        MissingExtraError: the extra `dwave` is not installed.

    Example:
        >>> from qubo_dnn.embedding.target import target
        >>> embedding = embed(nx.complete_graph(3), target("chimera:1"), "clique")
        >>> embedding.longest, embedding.faults(nx.complete_graph(3))
        (2, [])
    """
    if embedder not in get_args(Embedder):
        raise OptionError(f"the embedder is one of {', '.join(get_args(Embedder))}, not {embedder!r}")
    start = time.perf_counter()
    check_counts(len(source), source.number_of_edges(), target)
    found: list[tuple[str, dict[Hashable, tuple[int, ...]]]] = []
    nodes = sorted(source, key=natural_key)
    density = nx.density(source) if len(nodes) > 1 else 0.0
    if embedder in ("auto", "clique"):
        chains = target.clique(len(nodes))
        if chains is not None:
            found.append(("clique", dict(zip(nodes, chains, strict=True))))
    if embedder == "minorminer" or (embedder == "auto" and density < (_DENSE if found else 1.0)):
        mined = _mined(source, nodes, target, time_limit, seed)
        if mined is not None:
            found.append(("minorminer", mined))
    if not found:
        raise EmbeddingError(_refusal(source, target, embedder, time_limit))
    name, chosen = min(found, key=lambda each: (max(map(len, each[1].values()), default=0), _qubits(each[1])))
    return Embedding(chosen, target, name, seed, time.perf_counter() - start)


def _qubits(chains: Mapping[Any, Sequence[int]]) -> int:
    return sum(map(len, chains.values()))


def _mined(
    source: nx.Graph, nodes: Sequence[Hashable], target: Target, time_limit: float, seed: int
) -> dict[Hashable, tuple[int, ...]] | None:
    """Find chains with minorminer, and put isolated nodes on free qubits; None if that fails."""
    place = {node: index for index, node in enumerate(nodes)}
    # Sort the edges, so that a seed gives the same chains for any order of insertion.
    edges = sorted(tuple(sorted((place[u], place[v]))) for u, v in source.edges)
    chains: Mapping[int, Sequence[int]] = {}
    if edges:
        couplers = sorted(tuple(sorted(edge)) for edge in target.graph.edges)
        minorminer = require("minorminer", "dwave")
        chains = minorminer.find_embedding(edges, couplers, random_seed=seed, timeout=max(1, math.ceil(time_limit)))
        if not chains:
            return None
    used = {qubit for chain in chains.values() for qubit in chain}
    free = iter(sorted(set(target.graph) - used))
    found = {}
    for index, node in enumerate(nodes):
        chain = tuple(sorted(chains[index])) if index in chains else tuple(islice(free, 1))
        if not chain:
            return None
        found[node] = chain
    return found


def check_counts(variables: int, interactions: int, target: Target) -> None:
    """Refuse a graph that cannot have an embedding because of its counts.

    Raises:
        EmbeddingError: there are more variables than qubits, or more interactions than couplers.

    Example:
        >>> from qubo_dnn.embedding.target import target
        >>> check_counts(3, 3, target("chimera:1"))
        >>> check_counts(9, 8, target("chimera:1"))
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.EmbeddingError: 9 variables do not fit chimera:1, which has 8 qubits
    """
    for kind, needed, hardware, there in (
        ("variables", variables, "qubits", len(target.graph)),
        ("interactions", interactions, "couplers", target.graph.number_of_edges()),
    ):
        if needed > there:
            raise EmbeddingError(f"{needed:,} {kind} do not fit {target.name}, which has {there:,} {hardware}")


def _refusal(source: nx.Graph, target: Target, embedder: str, time_limit: float) -> str:
    n, m, density = len(source), source.number_of_edges(), nx.density(source)
    limit = f"the largest clique of this graph has {target.largest_clique} variables"
    if density == 1.0:
        return f"{n} variables, all coupled, do not fit {target.name}: {limit}"
    if embedder == "clique":
        return f"{n} variables do not fit {target.name} as a clique: {limit}; try minorminer"
    return (
        f"no embedding of {n:,} variables and {m:,} interactions (density {density:.2g}) into {target.name} was found "
        f"in {time_limit:g} s: {limit}, and minorminer found none"
    )
