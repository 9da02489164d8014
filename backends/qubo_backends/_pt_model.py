"""The model as parallel tempering sees it: sparse or dense rows, free variables, one-hot groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import dimod
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

# A dense row costs one streamed multiply-add per entry, a sparse one a gather as well: about four times as much.
DENSE_FROM = 0.25


class TemperingModel(NamedTuple):
    """Energy `sum_i linear[i] x_i + sum_{i<j} Q_ij x_i x_j` over x in {0, 1}^n, and the moves that explore it.

    Row i of the symmetric Q is `values[starts[i]:starts[i + 1]]` at `columns[...]`; when `columns` is empty the
    rows are dense. Interactions inside a one-hot group are left out: they never count in a feasible state.

    Attributes:
        linear: `[n]` linear biases.
        starts: `[n + 1]` where every row begins.
        columns: `[entries]`, or empty for dense rows.
        values: `[entries]` interactions, each present in both its rows.
        free: variables outside all groups.
        group_starts: `[groups + 1]` where every group begins in `members`.
        members: variables of all groups, one group after the other.
    """

    linear: NDArray[np.float64]
    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float64]
    free: NDArray[np.int64]
    group_starts: NDArray[np.int64]
    members: NDArray[np.int64]


def tempering_model(bqm: dimod.BinaryQuadraticModel, groups: Iterable[Sequence[int]] = ()) -> TemperingModel:
    """Build the arrays of a model.

    Args:
        bqm: BINARY model over 0, ..., n - 1; the offset is left out.
        groups: disjoint, not empty sets of variables of which exactly one is 1.
    """
    n = bqm.num_variables
    linear, (rows, columns, values), _ = bqm.to_numpy_vectors(variable_order=range(n))
    located = sorted((np.sort(np.array(group, np.int64)) for group in groups), key=lambda group: int(group[0]))
    members = np.concatenate([np.empty(0, np.int64), *located])

    group_of = np.full(n, -1)
    group_of[members] = np.repeat(np.arange(len(located)), [len(group) for group in located])
    inside = (group_of[rows] == group_of[columns]) & (group_of[rows] >= 0)
    kept = ~inside & (values != 0)
    return TemperingModel(
        np.ascontiguousarray(linear, np.float64),
        *_rows(n, rows[kept], columns[kept], values[kept].astype(np.float64)),
        np.flatnonzero(group_of < 0),
        np.cumsum([0, *(len(group) for group in located)], dtype=np.int64),
        members,
    )


def _rows(
    n: int, rows: NDArray[np.int32], columns: NDArray[np.int32], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]:
    """`starts`, `columns` and `values` of the symmetric matrix whose interactions are given once each."""
    if 2 * len(values) >= DENSE_FROM * n * n:
        matrix = np.zeros((n, n))
        matrix[rows, columns] = values
        matrix[columns, rows] = values
        return np.arange(n + 1, dtype=np.int64) * n, np.empty(0, np.int32), matrix.ravel()
    upper = scipy.sparse.csr_array((values, (rows, columns)), shape=(n, n))
    both = scipy.sparse.csr_array(upper + upper.T)
    return both.indptr.astype(np.int64), both.indices.astype(np.int32), both.data
