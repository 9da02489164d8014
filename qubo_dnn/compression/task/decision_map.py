"""Combine the arrays of units that share one decision. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel

Number = TypeVar("Number", np.int64, np.float64)


@dataclass(frozen=True, eq=False)
class DecisionMap:
    """A map from units to decisions.

    Attributes:
        decision: [units] decision of every unit, 0 to U - 1; every decision has at least one unit.

    Example:
        >>> ties = DecisionMap(np.array([0, 0, 1]))  # units 0 and 1 share decision 0
        >>> ties.sum(np.array([[5], [6], [7]])).tolist()
        [[11], [7]]
    """

    decision: NDArray[np.intp]

    @cached_property
    def _matrix(self) -> sparse.csr_matrix:
        """[U, units] indicator matrix, 0 or 1."""
        units = len(self.decision)
        shape = (int(self.decision.max()) + 1, units)
        return sparse.csr_matrix((np.ones(units, np.int64), (self.decision, np.arange(units))), shape=shape)

    def sum(self, values: NDArray[Number]) -> NDArray[Number]:
        """Sum [units, ...] over the units of each decision."""
        return np.asarray(self._matrix @ values, values.dtype)

    def mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Average [units, ...] over the units of each decision."""
        return np.asarray(self.sum(values) / np.bincount(self.decision)[:, None])

    def all(self, values: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Combine [units, ...] by "and" over the units of each decision."""
        return np.asarray(self.sum((~values).astype(np.int64)) == 0)

    def sensitivity(self, measured: QuadraticLossModel, options: int) -> QuadraticLossModel:
        """Convert a loss model over the units to one over the decisions.

        Args:
            measured: model over the units.
            options: K, the number of options.
        """
        rows = sparse.csr_matrix(sparse.kron(self._matrix, sparse.identity(options, np.float32)), dtype=np.float32)
        linear = np.asarray(rows @ measured.linear, np.float64)
        if measured.factor is not None:
            factor = np.asarray(rows @ measured.factor, np.float32)
            return QuadraticLossModel(factor=factor, linear=linear, offset=measured.offset)
        assert measured.matrix is not None
        half = np.asarray(rows @ measured.matrix)
        matrix = np.asarray(rows @ half.T, np.float32)
        return QuadraticLossModel(matrix=matrix, linear=linear, offset=measured.offset)
