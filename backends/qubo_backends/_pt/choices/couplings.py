"""Interactions between sites as the sampler reads them: a sparse symmetric matrix, or a dense one."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._jit import compiled
from qubo_dnn.problem import Problem

# A dense row costs one streamed multiply-add per entry, a sparse one a gather as well: about four times as much.
_DENSE_FROM = 0.25


def couplings(
    problem: Problem[Any], order: NDArray[np.int64], site_of: NDArray[np.int64]
) -> tuple[NDArray[np.float64], tuple[NDArray[np.int64], NDArray[np.int32], NDArray[Any]]]:
    """Linear biases, and `starts`, `columns` and `values` of the symmetric matrix, in the model's numbering."""
    n = len(order)
    linear, (rows, columns, values), _ = problem.objective.to_numpy_vectors(variable_order=problem.variables)
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    ordered = np.ascontiguousarray(np.asarray(linear, float)[order])
    values = np.asarray(values, float)
    between = _between(rows, columns, values, place, site_of)
    if between and 2 * between >= _DENSE_FROM * n * n:
        matrix = _matrix(rows, columns, values, place, site_of)
        return ordered, (np.arange(n + 1, dtype=np.int64) * n, np.empty(0, np.int32), matrix.ravel())
    rows, columns = place[rows], place[columns]
    kept = (site_of[rows] != site_of[columns]) & (values != 0.0)
    rows, columns, values = rows[kept], columns[kept], values[kept]
    # As in `_matrix`: what float32 holds exactly needs no more.
    short = values.astype(np.float32)
    data = short if np.array_equal(short.astype(float), values) else values
    # One entry for a model without interactions, since no columns at all mean dense rows.
    if not len(data):
        return ordered, (np.zeros(n + 1, np.int64), np.zeros(1, np.int32), np.zeros(1, data.dtype))
    upper = scipy.sparse.csr_array((data, (rows, columns)), shape=(n, n))
    both = scipy.sparse.csr_array(upper + upper.T)
    both.sort_indices()
    return ordered, (both.indptr.astype(np.int64), both.indices.astype(np.int32), both.data)


def _matrix(
    rows: NDArray[Any],
    columns: NDArray[Any],
    values: NDArray[np.float64],
    place: NDArray[np.int64],
    site_of: NDArray[np.int64],
) -> NDArray[Any]:
    """[n, n] symmetric, float32 where that holds all values exactly: half the memory to stream."""
    shape = (len(place), len(place))
    matrix: NDArray[Any] = np.zeros(shape, np.float32)
    if not _scatter(rows, columns, values, place, site_of, matrix):
        matrix = np.zeros(shape)
        _scatter(rows, columns, values, place, site_of, matrix)
    return matrix


# One pass each: arrays of places and choices of millions of interactions take longer to make than to use.
@compiled
def _between(
    rows: NDArray[Any],
    columns: NDArray[Any],
    values: NDArray[np.float64],
    place: NDArray[np.int64],
    site_of: NDArray[np.int64],
) -> int:
    """How many interactions are between sites."""
    count = 0
    for k in range(values.size):
        if values[k] != 0.0 and site_of[place[rows[k]]] != site_of[place[columns[k]]]:
            count += 1
    return count


@compiled
def _scatter(
    rows: NDArray[Any],
    columns: NDArray[Any],
    values: NDArray[np.float64],
    place: NDArray[np.int64],
    site_of: NDArray[np.int64],
    matrix: NDArray[Any],
) -> bool:
    """Put the interactions between sites into a matrix; False at the first that it does not hold exactly."""
    for k in range(values.size):
        i, j = place[rows[k]], place[columns[k]]
        if site_of[i] != site_of[j]:
            matrix[i, j] = values[k]
            matrix[j, i] = values[k]
            if float(matrix[i, j]) != values[k]:
                return False
    return True
