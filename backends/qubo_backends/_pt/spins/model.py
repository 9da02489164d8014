"""The model as the kernels see it: an Ising model in units of a power of two, with sparse or dense rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dimod
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._pt.spins.auxiliaries import Auxiliaries, add_auxiliaries, follow_flip
from qubo_backends._shared.jit import compiled, inner
from qubo_backends._shared.struct import Struct

Floats = NDArray[np.float32] | NDArray[np.float64]

# Rows are dense from this share of all interactions on: entries of a dense row are added many at a time, those of a
# sparse one have to be looked up.
_DENSE_FROM = 0.25
# Whole numbers below it are exact in float32.
_EXACT = 2.0**24
# Models of whole numbers in 0 and 1 have quarters as spins.
_UNITS = (1.0, 0.5, 0.25)


@dataclass(frozen=True, eq=False)
class Couplings(Struct):
    """A model in the precision of its kernel.

    Attributes:
        rows, starts, columns: see `SpinModel`.
        own: [n] fields of the model itself.
        auxiliaries: further spins, which have their best values whatever these n are, or None.
    """

    rows: NDArray[Any]
    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    own: Floats
    auxiliaries: Auxiliaries | None = None


@dataclass(frozen=True, eq=False)
class SpinModel:
    """Energy `sum_i own[i] s_i + sum_{i<j} J_ij s_i s_j` over s in {-1, 1}^n, without offset.

    Attributes:
        own: [n] float64, fields of the model itself.
        rows: [n, n] float64, the symmetric J with an empty diagonal, or [1, entries] of its sparse rows;
            float32 where large models ask for it and nothing is rounded.
        starts: [n + 1] where every sparse row begins.
        columns: [entries] int32, empty where rows are dense.
        unit: power of two by which the caller's coefficients were divided.
        whole: all coefficients are whole numbers in this unit, and no field is rounded in float32.
        dense: whether rows are.
    """

    own: NDArray[np.float64]
    rows: Floats
    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    unit: float
    whole: bool
    dense: bool

    @property
    def n(self) -> int:
        return len(self.own)

    @property
    def degree(self) -> float:
        """Mean number of neighbours."""
        return self.n - 1.0 if self.dense else self.rows.size / self.n

    def kernel_couplings(self, rows: type[np.number[Any]], fields: type[np.floating[Any]]) -> Couplings:
        """The model for a kernel, with rows and fields of these types; kernels only read it, so nothing is copied."""
        couplings, own = self.rows.astype(rows, copy=False), self.own.astype(fields, copy=False)
        return Couplings(couplings, self.starts, self.columns, own)

    @cached_property
    def couplings(self) -> Any:
        """J as a matrix that can be multiplied: NumPy's or SciPy's."""
        if self.dense:
            return self.rows
        return scipy.sparse.csr_array((self.rows[0], self.columns, self.starts), shape=(self.n, self.n))

    @cached_property
    def largest_field(self) -> float:
        """A bound on every local field."""
        return _survey(self.own, self.rows, self.starts)[1]

    @property
    def least_gain(self) -> float:
        """Half of the least change of the energy that is no error of rounding, > 0."""
        return 0.25 if self.whole else max(1e-6 * self.largest_field, 1e-300)

    def local_fields(self, states: NDArray[Any]) -> NDArray[np.float64]:
        """`own + J s` of states [k, n]; [k, n]."""
        return np.asarray(self.own + (self.couplings @ states.T.astype(np.float64)).T)

    def energy(self, state: NDArray[Any]) -> float:
        """Of one state [n]."""
        return float((state * (self.own + self.local_fields(state[None])[0])).sum() / 2.0)

    def precision(self, coldest: float) -> type[np.floating[Any]]:
        """float32 where its rounding errors are far below the coldest temperature, or do not exist; else float64.

        Between two exact sums a field gathers some hundred rounding errors, each at most 2^-24 of its size.
        """
        return np.float32 if self.whole or self.largest_field * 2.0**-24 * 100 < coldest / 100 else np.float64


def spin_model(bqm: dimod.BinaryQuadraticModel) -> SpinModel:
    """Arrays of a SPIN model over 0, ..., n - 1; its offset is left out."""
    n = bqm.num_variables
    own, (rows, columns, values), _ = bqm.to_numpy_vectors(variable_order=range(n))
    if 2 * np.count_nonzero(values) >= _DENSE_FROM * n * n:
        matrix = np.zeros((n, n))
        _scatter(rows, columns, values, matrix)
        # As large as the matrix, of which a copy may follow.
        del rows, columns, values
        return from_couplings(np.array(own, np.float64), matrix)
    kept = values != 0.0
    upper = scipy.sparse.csr_array((values[kept].astype(np.float64), (rows[kept], columns[kept])), shape=(n, n))
    return from_couplings(np.array(own, np.float64), scipy.sparse.csr_array(upper + upper.T))


@compiled
def _scatter(
    rows: NDArray[np.int32], columns: NDArray[np.int32], values: NDArray[np.float64], matrix: NDArray[np.float64]
) -> None:
    """Put couplings into a symmetric matrix; NumPy would make copies of the indices first, twice as long."""
    for k in range(values.size):
        matrix[rows[k], columns[k]] = values[k]
        matrix[columns[k], rows[k]] = values[k]


def from_couplings(own: NDArray[np.float64], couplings: Any) -> SpinModel:
    """The model of [n] fields and the symmetric J [n, n], a NumPy array or a CSR array, in the caller's unit."""
    dense = isinstance(couplings, np.ndarray)
    values = couplings.reshape(len(own), len(own)) if dense else couplings.data.reshape(1, -1)
    starts = np.zeros(0, np.int64) if dense else couplings.indptr.astype(np.int64)
    unit, whole = unit_of(own, values, starts)
    return SpinModel(
        own=own / unit,
        rows=values if unit == 1.0 else values / unit,
        starts=starts,
        columns=np.zeros(0, np.int32) if dense else couplings.indices.astype(np.int32),
        unit=unit,
        whole=whole,
        dense=dense,
    )


def unit_of(own: NDArray[np.float64], values: Floats, starts: NDArray[np.int64]) -> tuple[float, bool]:
    """The unit to divide by, and whether all is whole in it and small enough."""
    largest, bound, whole = _survey(own, values, starts)
    if largest == 0.0:
        return 1.0, True
    for unit, is_whole in zip(_UNITS, whole, strict=True):
        if is_whole and bound / unit < _EXACT:
            return unit, True
    return 2.0 ** float(np.floor(np.log2(largest))), False


@compiled
def _survey(
    own: NDArray[np.float64], values: Floats, starts: NDArray[np.int64]
) -> tuple[float, float, tuple[bool, bool, bool]]:
    """The largest coefficient, a bound on every field, and whether all coefficients are multiples of each unit."""
    largest, bound, ones, halves, quarters = 0.0, 0.0, True, True, True
    for i in range(own.size):
        row = values[i] if starts.size == 0 else values[0, starts[i] : starts[i + 1]]
        field = 0.0
        for k in range(row.size + 1):
            value = abs(row[k]) if k < row.size else abs(own[i])
            field += value
            largest = max(largest, value)
            ones &= value == np.floor(value)
            halves &= 2.0 * value == np.floor(2.0 * value)
            quarters &= 4.0 * value == np.floor(4.0 * value)
        bound = max(bound, field)
    return largest, bound, (ones, halves, quarters)


@inner
def add_row(couplings: Couplings, fields: Floats, i: int, factor: float) -> None:
    """Add `factor * J_i` to fields [n]; `factor` is of their type."""
    if couplings.columns.size == 0:
        row = couplings.rows[i]
        for j in range(row.size):
            fields[j] += factor * row[j]
    else:
        for k in range(couplings.starts[i], couplings.starts[i + 1]):
            fields[couplings.columns[k]] += factor * couplings.rows[0, k]


@inner
def sum_state_fields(couplings: Couplings, spins: Floats, fields: Floats) -> float:
    """Compute the local fields [n] of one state [n]; returns its energy."""
    for i in range(fields.size):
        fields[i] = couplings.own[i]
    for i in range(fields.size):
        add_row(couplings, fields, i, spins[i])
    total = 0.0
    for i in range(fields.size):
        total += float(spins[i]) * (float(couplings.own[i]) + float(fields[i]))
    total /= 2.0
    if couplings.auxiliaries is not None:
        total += add_auxiliaries(couplings.auxiliaries, spins, fields)
    return total


@inner
def flip(couplings: Couplings, spins: Floats, fields: Floats, i: int) -> None:
    """Flip one spin of a state [n], and change the local fields [n]."""
    add_row(couplings, fields, i, -(spins[i] + spins[i]))
    if couplings.auxiliaries is not None:
        follow_flip(couplings.auxiliaries, spins, fields, i)
    spins[i] = -spins[i]
