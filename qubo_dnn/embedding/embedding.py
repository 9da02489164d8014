"""Minor embeddings: a chain of qubits for every variable, found, verified, saved and loaded."""

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

from qubo_dnn.arguments import checked
from qubo_dnn.embedding.target import Target
from qubo_dnn.errors import EmbeddingError, FileFormatError, OptionError
from qubo_dnn.extras import require
from qubo_dnn.files.output import write_atomically
from qubo_dnn.files.text import TextFile
from qubo_dnn.problem import natural_key

Embedder = Literal["auto", "clique", "minorminer"]
# From this density on minorminer was never seen to beat the chains of a clique.
_DENSE = 0.8


@dataclass(frozen=True)
class Embedding:
    """Where the variables of a model live on a chip.

    Attributes:
        chains: variable -> its qubits, at least one.
        target: of these qubits.
        embedder: what found it: "clique", "minorminer", or the file it was loaded from.
        seed: of minorminer.
        seconds: wall-clock seconds of finding it.
    """

    chains: Mapping[Hashable, tuple[int, ...]]
    target: Target
    embedder: str
    seed: int
    seconds: float

    @property
    def longest(self) -> int:
        """Qubits of the longest chain, 0 without variables."""
        return max(map(len, self.chains.values()), default=0)

    @property
    def qubits(self) -> int:
        """Qubits used."""
        return sum(map(len, self.chains.values()))

    def faults(self, source: nx.Graph) -> list[str]:
        """What keeps this from embedding a graph: missing or torn chains, shared qubits, missing couplers."""
        embedding = require("dwave.embedding", "dwave")
        found = []
        for kind, *where in embedding.diagnose_embedding(dict(self.chains), source, self.target.graph):
            places = ", ".join(map(repr, where))
            found.append(f"{kind.__name__.removesuffix('Error')}: {places}")
        return found

    def save(self, path: Path) -> None:
        """Write it as JSON.

        Raises:
            OutputError: it cannot be written.
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
    """An embedding from a file, verified.

    Args:
        path: of a file of `Embedding.save`, or of a JSON object `{variable: [qubit, ...]}`. JSON's keys are texts: one
            stands for the variable of that text, or else for the one that is written so, such as an integer.
        source: graph of the model, over its variables.
        target: the hardware graph it is for.

    Returns:
        The chains of the variables of `source`; those of others, which presolve may have fixed, are left out.

    Raises:
        FileFormatError: the file holds none.
        EmbeddingError: it is not one of `source` in `target`.
    """
    file = TextFile(path)
    try:
        data = json.loads(file.content(), object_pairs_hook=partial(_without_repetition, file))
    except (ValueError, RecursionError) as cause:
        if isinstance(cause, FileFormatError):
            raise
        raise file.error(f"is not JSON: {cause}") from cause
    if not isinstance(data, dict) or not data:
        raise file.error("is no embedding: a JSON object {variable: [qubit, ...]}, or one as saved by this program")
    saved = data.get("chains")
    if isinstance(saved, list) and all(isinstance(each, list) for each in saved):
        chosen = _saved(file, saved)
    else:
        chosen = _by_text(file, data, source)
    found = Embedding(chosen, target, str(path), 0, 0.0)
    faults = found.faults(source)
    if faults:
        raise EmbeddingError(f"{path} is no embedding into {target.name}: {faults[0]} ({len(faults)} in all)")
    return Embedding({v: chosen[v] for v in source}, target, str(path), 0, 0.0)


def _without_repetition(file: TextFile, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of a key that comes again JSON would keep the last value and say nothing."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise file.error(f"has the key {next(key for key in keys if keys.count(key) > 1)!r} twice")
    return found


def _saved(file: TextFile, pairs: list[list[Any]]) -> dict[Hashable, tuple[int, ...]]:
    """The chains as `Embedding.save` writes them: pairs of a label and its qubits."""
    try:
        labels, chains = zip(*pairs, strict=True) if pairs else ((), ())
        names = list(iter_deserialize_variables(labels))
        return {name: _chain(file, name, chain) for name, chain in zip(names, chains, strict=True)}
    except (ValueError, TypeError) as cause:
        if isinstance(cause, FileFormatError):
            raise
        raise file.error(f"is not an embedding as saved by this program: {cause}") from cause


def _by_text(file: TextFile, chains: Mapping[str, Any], source: nx.Graph) -> dict[Hashable, tuple[int, ...]]:
    """The chains of the variables that the keys stand for; other keys are kept as they are."""
    written: dict[str, Hashable] = {str(variable): variable for variable in source}
    return {key if key in source else written.get(key, key): _chain(file, key, chain) for key, chain in chains.items()}


def _chain(file: TextFile, variable: Hashable, qubits: Any) -> tuple[int, ...]:
    """The qubits of a variable."""
    if not isinstance(qubits, list) or not all(type(qubit) is int for qubit in qubits):
        raise file.error(f"has {json.dumps(qubits)[:80]} as the chain of {variable!r}, not a list of qubits")
    return tuple(qubits)


def embed(
    source: nx.Graph, target: Target, embedder: Embedder = "auto", time_limit: float = 60.0, seed: int = 0
) -> Embedding:
    """Find chains for all nodes of a graph.

    "auto" takes the chains of a complete graph where the variables are no more than that has, and lets minorminer
    look for shorter ones where the graph is sparse enough; the shorter longest chain wins, then the fewer qubits.

    Args:
        source: nodes are the model's variables, edges its interactions.
        target: the hardware graph.
        embedder: what to use.
        time_limit: wall-clock seconds for minorminer, > 0; it overshoots a little.
        seed: of minorminer. The result depends on it alone, unless the time limit ends the search.

    Raises:
        OptionError: the embedder is unknown.
        EmbeddingError: none was found; the message names the limit of this very graph.
        MissingExtraError: the extra `dwave` is not installed.
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


def _qubits(chains: Mapping[Hashable, Sequence[int]]) -> int:
    return sum(map(len, chains.values()))


def _mined(
    source: nx.Graph, nodes: Sequence[Hashable], target: Target, time_limit: float, seed: int
) -> dict[Hashable, tuple[int, ...]] | None:
    """Chains by minorminer, isolated nodes on qubits that are left; None where there are none."""
    place = {node: index for index, node in enumerate(nodes)}
    # Sorted, so that a seed gives the same chains whatever the order in which edges were added.
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
    """Refuse what counting alone shows to have no embedding.

    Raises:
        EmbeddingError: there are more variables than qubits, or more interactions than couplers.
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
