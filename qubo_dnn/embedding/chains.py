"""Reads of qubits as reads of variables: broken chains counted and repaired."""

from __future__ import annotations

from typing import Literal

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.embedding.program import AnnealingProgram

ChainBreakMethod = Literal["majority-vote", "minimize-energy", "weighted-random", "discard"]


def broken_chains(program: AnnealingProgram, reads: NDArray[np.int8]) -> NDArray[np.bool_]:
    """[reads, variables] whether the qubits of a chain disagree.

    Args:
        program: what was read.
        reads: [reads, qubits] of -1 and 1, columns as in `AnnealingProgram.qubits`.
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
    """Rows of variables.

    Args:
        program: what was read.
        bqm: the source model, over the embedding's variables.
        reads: [reads, qubits] of -1 and 1.
        method: "majority-vote" (a tie is 1), "weighted-random" (1 with the share of qubits that are 1),
            "minimize-energy" (whole chains stay; broken ones take, one after the other, the largest field first, the
            value of less energy), or "discard" (reads with a broken chain are left out).
        rng: for "weighted-random".

    Returns:
        [rows, variables] of -1 and 1, and the read that every row is from.
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
    linear, (u, v, biases), _ = ising.to_numpy_vectors(variable_order=list(program.embedding.chains))
    couplings = np.zeros((len(linear), len(linear)))
    np.add.at(couplings, (u, v), biases)
    couplings += couplings.T
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
