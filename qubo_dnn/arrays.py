"""Binary models and linear constraints as arrays over a problem's variables, in the order of `Problem.variables`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem

if TYPE_CHECKING:
    from scipy import sparse

Floats = NDArray[np.float64]


class LinearConstraints(NamedTuple):
    """Linear constraints `lowers <= offsets + weights x <= uppers`, each kept within its tolerance.

    Attributes:
        weights: [m, n] CSR matrix without zeros.
        offsets: [m] constant terms of the left sides.
        lowers: [m] minus infinity for "<=".
        uppers: [m] infinity for ">=".
        tolerances: [m] see `Constraint.tolerance`.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> problem = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> rows = LinearConstraints.of(problem.constraints.values(), problem.index)
        >>> rows.weights.toarray().tolist(), rows.lowers.tolist(), rows.uppers.tolist()
        ([[3.0, 2.0, 2.0]], [-inf], [4.0])
    """

    weights: sparse.csr_array
    offsets: Floats
    lowers: Floats
    uppers: Floats
    tolerances: Floats

    @classmethod
    def of(cls, constraints: Collection[Constraint], index: Mapping[Any, int]) -> LinearConstraints:
        """Read linear constraints, in their order.

        Args:
            constraints: m linear constraints.
            index: see `Problem.index`.
        """
        # Imported here because scipy is slow to import.
        from scipy import sparse

        terms = [
            (row, index[variable], float(weight))
            for row, each in enumerate(constraints)
            for variable, weight in each.lhs.linear.items()
            if weight
        ]
        rows, columns, values = zip(*terms, strict=True) if terms else ((), (), ())
        shape = len(constraints), len(index)
        return cls(
            weights=sparse.csr_array((np.array(values, float), (rows, columns)), shape=shape),
            offsets=np.array([float(each.lhs.offset) for each in constraints]),
            lowers=np.array([-np.inf if each.sense == "<=" else each.rhs for each in constraints], float),
            uppers=np.array([np.inf if each.sense == ">=" else each.rhs for each in constraints], float),
            tolerances=np.array([each.tolerance for each in constraints]),
        )

    @property
    def equal(self) -> NDArray[np.bool_]:
        """[m] True for equalities."""
        return np.equal(self.lowers, self.uppers)

    @property
    def scales(self) -> Floats:
        """[m] largest absolute weight of each constraint, 1 if it has none: a unit in which violations compare."""
        largest: Floats = (
            abs(self.weights).max(axis=1).toarray().ravel() if self.weights.nnz else np.zeros(len(self.offsets))
        )
        return np.where(largest > 0.0, largest, 1.0)

    def bounds(self, share: float = 1.0) -> tuple[Floats, Floats]:
        """Return the [m] lowers and [m] uppers, loosened by a share of the tolerances."""
        return self.lowers - share * self.tolerances, self.uppers + share * self.tolerances

    def upper_form(self) -> tuple[Floats, Floats]:
        """Return the dense rows [m, n] and limits [m] of `rows x <= limits`, or `rows x == limits` for equalities."""
        downwards = np.isinf(self.uppers)
        signs = np.where(downwards, -1.0, 1.0)
        limits = np.where(downwards, self.lowers, self.uppers)
        # Zeros are added, because -0.0 is confusing to read.
        return signs[:, None] * self.weights.toarray() + 0.0, signs * (limits - self.offsets)


def dense_arrays(bqm: dimod.BinaryQuadraticModel, index: Mapping[Any, int]) -> tuple[Floats, Floats]:
    """Return the [n] linear biases and the [n, n] symmetric interactions, with an empty diagonal, of a model.

    Args:
        bqm: a model over some of the n variables.
        index: variable -> its place.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": 1.0}, {("a", "b"): 2.0}, 0.0, "BINARY")
        >>> linear, matrix = dense_arrays(bqm, {"a": 0, "b": 1})
        >>> linear.tolist(), matrix.tolist()
        ([1.0, 0.0], [[0.0, 2.0], [2.0, 0.0]])
    """
    own, (rows, columns, biases), _, labels = bqm.to_numpy_vectors(return_labels=True)
    place = np.array([index[label] for label in labels], np.intp)
    linear, matrix = np.zeros(len(index)), np.zeros((len(index),) * 2)
    linear[place] = own
    matrix[place[rows], place[columns]] = biases
    return linear, matrix + matrix.T


def factor_rows(problem: Problem[Any]) -> NDArray[np.int64]:
    """Return [n] the row of the low-rank form's factor that belongs to each variable; -1 where there is none.

    Example:
        >>> from qubo_dnn.problem import LowRank
        >>> bqm = dimod.BinaryQuadraticModel({"a": 1.0, "b": 1.0}, {}, 0.0, "BINARY")
        >>> form = LowRank(("b",), np.ones((1, 1), np.float32))
        >>> factor_rows(Problem(objective=bqm, decoder=dict, low_rank=form)).tolist()
        [-1, 0]
    """
    rows = np.full(len(problem.index), -1, np.int64)
    if problem.low_rank is not None:
        places = [problem.index[variable] for variable in problem.low_rank.variables]
        rows[places] = np.arange(len(places))
    return rows
