"""Convert reads of qubits to rows of variables: count and repair broken chains."""

from __future__ import annotations

from typing import Literal

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.arrays import dense_arrays
from qubo_dnn.embedding.program import AnnealingProgram

ChainBreakMethod = Literal["majority-vote", "minimize-energy", "weighted-random", "discard"]


def broken_chains(program: AnnealingProgram, reads: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return [reads, variables] True if the qubits of a chain disagree.

    Args:
        program: the program that was read.
        reads: [reads, qubits] of -1 and 1, columns as in `AnnealingProgram.qubits`.

    Example:
        >>> import networkx as nx
        >>> from qubo_dnn.embedding.embedding import embed
        >>> from qubo_dnn.embedding.program import program
        >>> from qubo_dnn.embedding.target import target
        >>> triangle = dimod.BinaryQuadraticModel({}, {("a", "b"): 1, ("b", "c"): 1, ("a", "c"): 1}, "SPIN")
        >>> plan = program(triangle, embed(nx.complete_graph(["a", "b", "c"]), target("chimera:1")), chain_strength=2.0)
        >>> broken_chains(plan, np.array([[1, 1, -1, -1, 1, -1]], np.int8)).tolist()  # chains of two qubits
        [[False, False, True]]
    """
    torn: NDArray[np.bool_] = np.abs(_sums(program, reads)) != np.diff(program.starts)
    return torn


def repaired(
    program: AnnealingProgram,
    bqm: dimod.BinaryQuadraticModel,
    reads: NDArray[np.int8],
    method: ChainBreakMethod,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int8], NDArray[np.intp]]:
    """Convert reads of qubits to rows of variables, and repair broken chains.

    Args:
        program: the program that was read.
        bqm: the source model, over the variables of the embedding.
        reads: [reads, qubits] of -1 and 1.
        method: "majority-vote" (a tie gives 1), "weighted-random" (1 with probability equal to the share of qubits at
            1), "minimize-energy" (broken chains take the value of lower energy, one after the other, the largest field
            first; intact chains keep theirs), or "discard" (reads with a broken chain are dropped).
        rng: random generator of "weighted-random".

    Returns:
        [rows, variables] of -1 and 1, and [rows] the index of the read of every row.

    Example:
        >>> import networkx as nx
        >>> from qubo_dnn.embedding.embedding import embed
        >>> from qubo_dnn.embedding.program import program
        >>> from qubo_dnn.embedding.target import target
        >>> triangle = dimod.BinaryQuadraticModel({}, {("a", "b"): 1, ("b", "c"): 1, ("a", "c"): 1}, "SPIN")
        >>> plan = program(triangle, embed(nx.complete_graph(["a", "b", "c"]), target("chimera:1")), chain_strength=2.0)
        >>> rows, origin = repaired(
        ...     plan, triangle, np.array([[1, 1, -1, -1, 1, -1]], np.int8), "majority-vote", np.random.default_rng(0)
        ... )
        >>> rows.tolist()
        [[1, -1, 1]]
    """
    sums, broken = _sums(program, reads), broken_chains(program, reads)
    rows = np.where(sums >= 0, 1, -1).astype(np.int8)
    origin = np.arange(len(reads), dtype=np.intp)
    if method == "discard":
        origin = np.flatnonzero(~broken.any(axis=1))
        return rows[origin], origin
    if method == "weighted-random":
        share = (1.0 + sums / np.diff(program.starts)) / 2.0
        rows = np.where(broken, np.where(rng.random(rows.shape) < share, 1, -1), rows).astype(np.int8)
    if method == "minimize-energy":
        _minimise(program, bqm, rows, broken)
    return rows, origin


def _minimise(
    program: AnnealingProgram, bqm: dimod.BinaryQuadraticModel, rows: NDArray[np.int8], broken: NDArray[np.bool_]
) -> None:
    ising = bqm.change_vartype(dimod.SPIN, inplace=False)
    places = {variable: place for place, variable in enumerate(program.embedding.chains)}
    linear, couplings = dense_arrays(ising, places)
    for row, torn in zip(rows, broken, strict=True):
        open_chains = np.flatnonzero(torn)
        settled = row.astype(np.float64)
        settled[open_chains] = 0.0
        fields = linear + couplings @ settled
        while len(open_chains):
            place = int(np.argmax(np.abs(fields[open_chains])))
            variable = int(open_chains[place])
            row[variable] = -1 if fields[variable] > 0.0 else 1
            fields += couplings[variable] * row[variable]
            open_chains = np.delete(open_chains, place)


def _sums(program: AnnealingProgram, reads: NDArray[np.int8]) -> NDArray[np.int64]:
    if not len(program.qubits):
        return np.zeros((len(reads), 0), np.int64)
    return np.add.reduceat(reads.astype(np.int64), program.starts[:-1], axis=1)
