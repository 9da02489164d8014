"""Interactions between sites as the sampler reads them: a sparse symmetric matrix, or a dense one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._shared.jit import compiled
from qubo_backends._shared.struct import Struct
from qubo_dnn.problem import Problem

# A dense row costs one streamed multiply-add per entry, a sparse one a gather as well: about four times as much.
_DENSE_FROM = 0.25
# From so many interactions on it pays to halve the memory that sweeps stream. Each type of values has kernels of its
# own, which take most of a minute to compile: small models, which the cache holds anyway, all have the same.
_LARGE = 1 << 17


@dataclass(frozen=True, eq=False)
class _Interactions(Struct):
    """All interactions of an objective.

    Attributes:
        rows, columns: [k] their ends, as the objective numbers variables.
        values: [k] biases.
        place: [n] where the model has a variable of the objective.
        site_of: [n] the site of a variable of the model.
    """

    rows: NDArray[Any]
    columns: NDArray[Any]
    values: NDArray[np.float64]
    place: NDArray[np.int64]
    site_of: NDArray[np.int64]


def read_couplings(
    problem: Problem[Any], order: NDArray[np.int64], site_of: NDArray[np.int64]
) -> tuple[NDArray[np.float64], tuple[NDArray[np.int64], NDArray[np.int32], NDArray[Any]]]:
    """Linear biases, and `starts`, `columns` and `values` of the symmetric matrix, in the model's numbering.

    Values of large models are float32 where that holds all of them exactly.
    """
    n = len(order)
    linear, (rows, columns, values), _ = problem.objective.to_numpy_vectors(variable_order=problem.variables)
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    ordered = np.ascontiguousarray(np.asarray(linear, float)[order])
    interactions = _Interactions(rows, columns, np.asarray(values, float), place, site_of)
    between, short = _survey(interactions)
    dtype = np.float32 if short and between >= _LARGE else np.float64
    # One entry for a model without interactions, since no columns at all mean dense rows.
    if not between:
        return ordered, (np.zeros(n + 1, np.int64), np.zeros(1, np.int32), np.zeros(1, dtype))
    if 2 * between >= _DENSE_FROM * n * n:
        matrix = np.zeros((n, n), dtype)
        _scatter(interactions, matrix)
        return ordered, (np.arange(n + 1, dtype=np.int64) * n, np.empty(0, np.int32), matrix.ravel())
    rows, columns = place[rows], place[columns]
    kept = (site_of[rows] != site_of[columns]) & (interactions.values != 0.0)
    upper = scipy.sparse.csr_array((interactions.values[kept].astype(dtype), (rows[kept], columns[kept])), shape=(n, n))
    both = scipy.sparse.csr_array(upper + upper.T)
    both.sort_indices()
    return ordered, (both.indptr.astype(np.int64), both.indices.astype(np.int32), both.data)


# One pass each: arrays of places and choices of millions of interactions take longer to make than to use.
@compiled
def _survey(interactions: _Interactions) -> tuple[int, bool]:
    """Count the interactions between sites, and see whether float32 holds all of them exactly."""
    place, site_of = interactions.place, interactions.site_of
    count, short = 0, True
    for k in range(interactions.values.size):
        value = interactions.values[k]
        if value != 0.0 and site_of[place[interactions.rows[k]]] != site_of[place[interactions.columns[k]]]:
            count += 1
            short &= np.float64(np.float32(value)) == value
    return count, short


@compiled
def _scatter(interactions: _Interactions, matrix: NDArray[Any]) -> None:
    """Put the interactions between sites into a symmetric matrix [n, n]."""
    place, site_of = interactions.place, interactions.site_of
    for k in range(interactions.values.size):
        i, j = place[interactions.rows[k]], place[interactions.columns[k]]
        if site_of[i] != site_of[j]:
            matrix[i, j] = interactions.values[k]
            matrix[j, i] = interactions.values[k]
