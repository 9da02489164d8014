"""A model without constraints as a maximum cut: spins and the products of pairs of them, without linear terms.

The linear biases become couplings to one more spin, the field spin. A relation `s_j = s_i` or `s_j = -s_i` merges two
spins, and leaves a model of the same form with one spin less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.arrays import dense_arrays
from qubo_dnn.bounds.quick import rounding_margin
from qubo_dnn.bounds.relaxation import UNIT_ROUNDOFF
from qubo_dnn.bounds.site_model import Floats, Indices
from qubo_dnn.problem import Problem


@dataclass(frozen=True, eq=False)
class SpinModel:
    """`offset + s'(matrix)s` over N spins s.

    Attributes:
        offset: constant term of the energy.
        matrix: [N, N] symmetric, with a zero diagonal; half of the coupling of every pair.
        rounding: upper bound on the rounding error of an energy, also after spins are merged.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> triangle = get_formulation("max-cut")([(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0)]).compile()
        >>> model, _ = spin_model(triangle)
        >>> len(model.matrix), model.energy(np.array([[1.0], [1.0], [-1.0]])).tolist()
        (3, [-2.0])
    """

    offset: float
    matrix: Floats
    rounding: float

    def energy(self, spins: Floats) -> Floats:
        """Return [R] energies of [N, R] spins."""
        return np.asarray(self.offset + np.einsum("ir,ir->r", spins, self.matrix @ spins))

    def merged(self, spins: Relations) -> SpinModel:
        """Return the model over the spins that relations leave."""
        left = np.zeros((len(self.matrix), spins.count))
        left[np.arange(len(self.matrix)), spins.merged_into] = spins.signs
        matrix = left.T @ (self.matrix @ left)
        offset = self.offset + float(np.trace(matrix))
        np.fill_diagonal(matrix, 0.0)
        return SpinModel(offset, (matrix + matrix.T) / 2.0, self.rounding)


@dataclass(frozen=True, eq=False)
class Relations:
    """Spins s of a model, each equal to one of fewer spins t or to its opposite: `s = signs * t[merged_into]`.

    Attributes:
        merged_into: [N] index of a spin; `merged_into[0]` is 0.
        signs: [N] 1 or -1; `signs[0]` is 1.

    Example:
        >>> relations = Relations.none(4).merge(1, 3, -1).merge(0, 2, 1)
        >>> relations.spins(np.array([1.0, -1.0])).tolist(), relations.count
        ([1.0, -1.0, 1.0, 1.0], 2)
    """

    merged_into: Indices
    signs: NDArray[np.int8]

    @classmethod
    def none(cls, count: int) -> Relations:
        """Return the relations that leave all spins."""
        return cls(np.arange(count), np.ones(count, np.int8))

    @property
    def count(self) -> int:
        """Number of spins that are left."""
        return int(self.merged_into.max()) + 1

    def merge(self, i: int, j: int, sign: int) -> Relations:
        """Add the relation `t[j] = sign * t[i]`, where i < j."""
        there = self.merged_into == j
        into = np.where(there, i, self.merged_into - (self.merged_into > j))
        return Relations(into, np.where(there, sign * self.signs, self.signs).astype(np.int8))

    def spins(self, left: Floats) -> Floats:
        """Return [N, ...] spins s from the spins that are left."""
        signs = self.signs.reshape(-1, *[1] * (left.ndim - 1))
        return np.asarray(signs * left[self.merged_into], float)


def spin_model(problem: Problem[Any]) -> tuple[SpinModel, Relations]:
    """Convert a model to spins; all its connected parts are joined at the first spin, which changes no optimum.

    Args:
        problem: constraints and groups are ignored; without a low-rank form.

    Returns:
        The model, and the relations of the field spin and the spins of `problem.variables` behind it. A variable is 1
        where its spin equals the field spin.

    Example:
        >>> import dimod
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> model, relations = spin_model(Problem(objective=bqm, decoder=dict))
        >>> spins = np.array([[1.0], [1.0], [-1.0]])
        >>> model.energy(spins).tolist(), bits(relations, spins[:, 0]).tolist()
        ([-1.0], [1, 0])
    """
    # Imported here to keep the start of the command line fast.
    from scipy.sparse.csgraph import connected_components

    linear, pairs = dense_arrays(problem.objective, problem.index)
    n = len(linear)
    matrix = np.zeros((n + 1, n + 1))
    matrix[1:, 1:] = pairs / 8.0
    fields, sizes = linear / 4.0 + pairs.sum(axis=1) / 8.0, np.abs(linear) / 4.0 + np.abs(pairs).sum(axis=1) / 8.0
    # What only rounding leaves of a field is dropped: it would hide that all spins can be flipped.
    fields[np.abs(fields) <= 2.0 * (n + 2.0) * UNIT_ROUNDOFF * sizes] = 0.0
    matrix[0, 1:] = matrix[1:, 0] = fields
    offset = float(problem.objective.offset) + float(linear.sum()) / 2.0 + float(pairs.sum()) / 8.0
    # Flipping all spins of a connected part changes no energy, so that one spin of each can equal the first.
    _, part = connected_components(matrix != 0.0, directed=False)
    _, first = np.unique(part, return_index=True)
    into = np.zeros(n + 1, np.intp)
    others = np.setdiff1d(np.arange(n + 1), first)
    into[others] = np.arange(1, len(others) + 1)
    relations = Relations(into, np.ones(n + 1, np.int8))
    return SpinModel(offset, matrix, rounding_margin(problem)).merged(relations), relations


def bits(relations: Relations, spins: Floats) -> NDArray[np.int8]:
    """Return [n] values of the variables, see `spin_model`.

    Example:
        >>> bits(Relations.none(4), np.array([1.0, -1.0, 1.0, -1.0])).tolist()
        [0, 1, 0]
    """
    every = relations.spins(spins)
    return np.asarray(every[1:] == every[0], np.int8)


def one_opt(model: SpinModel, spins: Floats) -> Floats:
    """Flip the best spin of each state until no flip lowers its energy.

    Args:
        model: a model of N spins.
        spins: [N, R] states.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> path = get_formulation("max-cut")([(0, 1, 1.0), (1, 2, 1.0)]).compile()
        >>> one_opt(spin_model(path)[0], np.ones((3, 1))).T.tolist()
        [[1.0, -1.0, 1.0]]
    """
    spins = spins.copy()
    fields = model.matrix @ spins
    least = 1e-12 * float(np.abs(model.matrix).sum(axis=1).max(initial=0.0))
    running: Sequence[int] | Indices = np.arange(spins.shape[1])
    while len(running):
        gains = spins[:, running] * fields[:, running]
        best = gains.argmax(axis=0)
        better = gains[best, np.arange(len(best))] > least
        best, running = best[better], np.asarray(running)[better]
        fields[:, running] -= 2.0 * model.matrix[:, best] * spins[best, running]
        spins[best, running] *= -1.0
    return spins
