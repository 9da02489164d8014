"""Arrays for the kernels, made of a `SparseModel` in steps, with little memory beside both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.spins.model import Floats, SpinModel, unit_of
from qubo_backends._shared.jit import compiled
from qubo_dnn.sparse_model import SparseModel


def large_spin_model(model: SparseModel) -> tuple[SpinModel, float]:
    """Return the spin model to be minimised, and its offset in the caller's unit.

    Its rows are float32 where that holds all biases exactly, else float64.

    Args:
        model: of either vartype and sense.
    """
    n, sign = model.num_variables, -1.0 if model.sense == "max" else 1.0
    binary = model.vartype == "BINARY"
    scale = sign / 4.0 if binary else sign
    single = all(np.array_equal(_biases(model, part).astype(np.float32), model.biases[part]) for part in model.parts())
    starts = np.zeros(n + 1, np.int64)
    for part in model.parts():
        _count(*_ends(model, part), starts)
    np.cumsum(starts, out=starts)
    columns = np.empty(2 * model.num_interactions, np.int32)
    size = 2 * model.num_interactions
    rows: Floats = np.empty(size, np.float32) if single else np.empty(size, np.float64)
    own = np.asarray(model.linear, np.float64) * (sign / 2.0 if binary else sign)
    offset = sign * model.offset + (own.sum() if binary else 0.0)
    filled = starts[:-1].copy()
    for part in model.parts():
        biases = _biases(model, part) * scale
        _fill(*_ends(model, part), biases, filled, columns, rows, own, binary)
        offset += biases.sum() if binary else 0.0
    unit, whole = unit_of(own, rows[None], starts)
    own /= unit
    np.divide(rows, rows.dtype.type(unit), out=rows)
    spins = SpinModel(own=own, rows=rows[None], starts=starts, columns=columns, unit=unit, whole=whole, dense=False)
    return spins, float(offset)


def large_model_bytes(variables: int, interactions: int, threads: int) -> int:
    """Return an estimate from above of the memory that sampling takes beside the caller's model."""
    # Rows and columns of both directions; starts, fields of the model, and where rows are filled up to; of every thread
    # spins, fields and thresholds in double precision, and states of one byte.
    return 2 * interactions * 12 + variables * 48 + threads * variables * 32


def _biases(model: SparseModel, part: slice) -> NDArray[np.float64]:
    return np.asarray(model.biases[part], np.float64)


def _ends(model: SparseModel, part: slice) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    # Copies, since a kernel is compiled anew for arrays that are read-only, as mapped ones are.
    return model.rows[part].astype(np.int32), model.columns[part].astype(np.int32)


@compiled
def _count(first: NDArray[np.int32], second: NDArray[np.int32], starts: NDArray[np.int64]) -> None:
    """Add the number of neighbours of every variable i to entry i + 1."""
    for k in range(first.size):
        starts[first[k] + 1] += 1
        starts[second[k] + 1] += 1


@compiled
def _fill(
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    biases: NDArray[np.float64],
    filled: NDArray[np.int64],
    columns: NDArray[np.int32],
    rows: Floats,
    own: NDArray[np.float64],
    binary: bool,
) -> None:
    """Put couplings into both of their rows; of binary variables, a coupling is also part of both fields."""
    for k in range(first.size):
        i, j = first[k], second[k]
        columns[filled[i]], columns[filled[j]] = j, i
        rows[filled[i]] = rows[filled[j]] = biases[k]
        filled[i] += 1
        filled[j] += 1
        if binary:
            own[i] += biases[k]
            own[j] += biases[k]
