"""Binary quadratic models as arrays, for sizes at which one Python object per variable takes too much memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.errors import FormulationError
from qubo_dnn.support.arguments import check_fields

MOST_LABELLED = 1_000_000
"""Files of more variables become a `SparseModel`, in which variables have numbers but no labels."""

# Couplings handled at a time: temporary arrays stay small beside the model.
_BLOCK = 1 << 22


@dataclass(frozen=True, eq=False)
class SparseModel:
    """The model `offset + sum_i linear[i] v_i + sum_k biases[k] v_rows[k] v_columns[k]` over variables 0 to n - 1.

    The arrays may be memory-mapped, and are never changed.

    Attributes:
        linear: [n] numbers.
        rows, columns: [m] integers from 0 to n - 1; no coupling joins a variable to itself, or occurs twice.
        biases: [m] numbers.
        offset: constant term.
        vartype: values of the variables: 0 and 1 (BINARY), or -1 and 1 (SPIN).
        sense: "min" or "max", the sense of the objective.

    Raises:
        FormulationError: the arrays differ in length, an index or a number is not valid, or a coupling occurs twice.

    Example:
        >>> model = SparseModel(np.array([1.0, 0.0]), np.array([0]), np.array([1]), np.array([-2.0]))
        >>> model.energies(np.array([[1, 1], [1, 0]], np.int8)).tolist()
        [-1.0, 1.0]
    """

    linear: NDArray[Any]
    rows: NDArray[Any]
    columns: NDArray[Any]
    biases: NDArray[Any]
    offset: float = 0.0
    vartype: Literal["BINARY", "SPIN"] = "BINARY"
    sense: Literal["min", "max"] = "min"

    def __post_init__(self) -> None:
        check_fields(self)
        arrays = (self.linear, self.rows, self.columns, self.biases)
        if any(array.ndim != 1 for array in arrays) or not len(self.rows) == len(self.columns) == len(self.biases):
            raise FormulationError("rows, columns and biases are not three lists of the same length")
        if any(array.dtype.kind not in "iu" for array in (self.rows, self.columns)):
            raise FormulationError("rows and columns are not lists of integers")
        if any(array.dtype.kind not in "iuf" for array in (self.linear, self.biases)):
            raise FormulationError("linear and biases are not lists of numbers")
        ends = [(array.min(initial=0), array.max(initial=-1)) for array in (self.rows, self.columns)]
        if any(low < 0 or high >= self.num_variables for low, high in ends):
            raise FormulationError(f"a coupling names a variable that is not one of 0 to {self.num_variables - 1}")
        # If all extremes are finite, all numbers are: the extremes of numbers with NaN among them are NaN.
        extremes = [each(array, initial=0.0) for each in (np.min, np.max) for array in (self.linear, self.biases)]
        if not (np.isfinite(extremes).all() and math.isfinite(self.offset)):
            raise FormulationError("a bias is not a finite number")
        self._check_pairs()

    def _check_pairs(self) -> None:
        n = self.num_variables
        keys = np.empty(self.num_interactions, np.int64)
        for part in self.parts():
            rows, columns = (array[part].astype(np.int64) for array in (self.rows, self.columns))
            if (rows == columns).any():
                raise FormulationError(f"a coupling joins variable {rows[rows == columns][0]} to itself")
            keys[part] = np.minimum(rows, columns) * n + np.maximum(rows, columns)
        keys.sort()
        for part in self.parts():
            same = np.flatnonzero(keys[part][1:] == keys[part][:-1])
            beside = part.stop < len(keys) and keys[part.stop - 1] == keys[part.stop]
            if len(same) or beside:
                pair = int(keys[part][same[0]] if len(same) else keys[part.stop])
                raise FormulationError(f"the bias of {pair // n} and {pair % n} occurs twice")

    @property
    def num_variables(self) -> int:
        """Number n of variables."""
        return len(self.linear)

    @property
    def num_interactions(self) -> int:
        """Number m of couplings."""
        return len(self.biases)

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes, in memory or in the file that they are mapped from."""
        return sum(array.nbytes for array in (self.linear, self.rows, self.columns, self.biases))

    def parts(self) -> Iterator[slice]:
        """Generate slices that cover all couplings, for work in steps."""
        for first in range(0, self.num_interactions, _BLOCK):
            yield slice(first, min(first + _BLOCK, self.num_interactions))

    def energies(self, states: NDArray[np.int8]) -> NDArray[np.float64]:
        """Return [k] the values of the objective, in float64, of states [k, n] of the model's vartype."""
        return np.array([self._energy(state) for state in states], np.float64)

    def _energy(self, state: NDArray[np.int8]) -> float:
        sums = [self.offset, float(np.dot(self.linear, state.astype(np.float64)))]
        for part in self.parts():
            products = state[self.rows[part]] * state[self.columns[part]]
            sums.append(float(np.dot(self.biases[part].astype(np.float64), products)))
        return math.fsum(sums)

    def in_own_sense(self, minimised: float) -> float:
        """Convert a value of the minimised objective to the sense of the model."""
        return 0.0 - minimised if self.sense == "max" else minimised


@dataclass(frozen=True, eq=False)
class SparseSamples:
    """States of a `SparseModel`, best first.

    Attributes:
        states: [k, n] int8, values of the model's vartype.
        energies: [k] values of `SparseModel.energies`, in the sense of the model.
        info: report of the sampler, as that of a dimod sample set.

    Example:
        >>> SparseSamples(np.array([[0, 1]], np.int8), np.array([-1.0])).states.shape
        (1, 2)
    """

    states: NDArray[np.int8]
    energies: NDArray[np.float64]
    info: Mapping[str, Any] = field(default_factory=dict)
