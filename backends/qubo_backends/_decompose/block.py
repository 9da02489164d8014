"""A block: binary steps away from a state, and the model of their energies and constraints with the rest fixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.constraint import Constraint
from qubo_dnn.local_search import Bits, Floats, LocalState, QuadraticForm
from qubo_dnn.problem import Problem

if TYPE_CHECKING:
    from scipy import sparse

Indices = NDArray[np.intp]


class Block(NamedTuple):
    """What may change at once: the states `base + z steps` for z of 0 and 1.

    Attributes:
        steps: [k, n] what every step adds to a state; no variable is in two of them, and steps outside a group concern
            different sites.
        groups: sets of steps of which exactly one is made, for one-hot groups of which a block holds all options.
        now: [k] the steps that lead to the present state.
    """

    steps: sparse.csr_array
    groups: tuple[Indices, ...]
    now: Bits

    @classmethod
    def of(
        cls, steps: Sequence[Sequence[tuple[int, int]]], n: int, groups: Sequence[Indices], now: Sequence[int]
    ) -> Block:
        """Make a block from what each step adds, as pairs of a variable and -1 or 1.

        Args:
            steps: k steps.
            n: number of variables.
            groups: see `Block`.
            now: [k].
        """
        # Imported here because scipy is slow to import.
        from scipy import sparse

        flat = [pair for step in steps for pair in step]
        columns, values = np.array(flat, np.int64).reshape(-1, 2).T
        starts = np.cumsum([0, *map(len, steps)])
        matrix = sparse.csr_array((values.astype(float), columns, starts), shape=(len(steps), n))
        return cls(matrix, tuple(groups), np.array(now, np.int8))

    def applied(self, x: Bits, z: Bits) -> Bits:
        """Return the state that steps `z` lead to from the present state `x`."""
        return np.asarray(x + self.steps.T @ (z - self.now), np.int8)


class BlockForm(NamedTuple):
    """A quadratic form of a problem as a form of a block's steps.

    Attributes:
        offset: value of the base.
        linear: [k].
        pairs: [k, k] symmetric, with an empty diagonal.
    """

    offset: float
    linear: Floats
    pairs: Floats

    @classmethod
    def of(cls, form: QuadraticForm, fields: Floats, value: float, block: Block) -> BlockForm:
        """Restrict a form to a block.

        Args:
            form: of the problem.
            fields: [n] at the present state.
            value: at the present state.
            block: k steps.
        """
        pairs = _pairs(form.couplings, block.steps)
        linear = block.steps @ fields - pairs @ block.now + np.diag(pairs) / 2.0
        np.fill_diagonal(pairs, 0.0)
        found = cls(0.0, linear, pairs)
        return found._replace(offset=value - float(found.values(block.now[None])[0]))

    def values(self, rows: Bits) -> Floats:
        """Return [r] values of [r, k] steps."""
        z = rows.astype(float)
        total: Floats = self.offset + z @ self.linear + (z @ self.pairs * z).sum(axis=1) / 2.0
        return total

    def bqm(self) -> dimod.BinaryQuadraticModel:
        """Return the form as a model over 0, ..., k - 1."""
        rows, columns = np.nonzero(np.triu(self.pairs))
        return dimod.BinaryQuadraticModel.from_numpy_vectors(
            self.linear, (rows, columns, self.pairs[rows, columns]), self.offset, dimod.BINARY
        )


def _pairs(couplings: sparse.csr_matrix, steps: sparse.csr_array) -> Floats:
    """Return [k, k] `steps couplings steps'`, by reading the rows of the block's variables alone.

    Products of sparse matrices take several times as long for blocks as small as these.
    """
    k, n = steps.shape
    step_of = np.repeat(np.arange(k), np.diff(steps.indptr))
    starts = couplings.indptr[steps.indices]
    lengths = couplings.indptr[steps.indices + 1] - starts
    entries = np.arange(lengths.sum()) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    place = np.full(n, -1)
    place[steps.indices] = np.arange(len(steps.indices))
    column = place[couplings.indices[entries]]
    inside = column >= 0
    row, column = np.repeat(np.arange(len(lengths)), lengths)[inside], column[inside]
    values = couplings.data[entries[inside]] * steps.data[row] * steps.data[column]
    total = np.bincount(step_of[row] * k + step_of[column], values, k * k)
    return np.asarray(total, float).reshape(k, k)


class BlockModel:
    """The problem of a block with the rest fixed; what the rest uses of a constraint is a constant of its left side.

    Args:
        block: the block.
        state: the present state, with exactly one chosen option in every group.
    """

    def __init__(self, block: Block, state: LocalState) -> None:
        self.block = block
        given = zip(state.model.forms, state.fields, state.values, strict=True)
        self._forms = [BlockForm.of(form, fields, float(value), block) for form, fields, value in given]
        self._model = state.model

    def problem(self) -> Problem[Any]:
        """Return the problem over 0, ..., k - 1, without the constraints that the block does not touch."""
        constraints = {
            str(number): Constraint(form.bqm(), each.sense, each.rhs)
            for number, (each, form) in enumerate(zip(self._model.constraints, self._forms[1:], strict=True))
            if form.linear.any() or form.pairs.any()
        }
        groups = {f"group {number}": tuple(group.tolist()) for number, group in enumerate(self.block.groups)}
        return Problem(objective=self._forms[0].bqm(), decoder=dict, one_hot=groups, constraints=constraints)

    def whole_groups(self, rows: Bits) -> NDArray[np.bool_]:
        """Return [r] whether [r, k] steps choose exactly one option of every group."""
        kept = np.ones(len(rows), bool)
        for group in self.block.groups:
            kept &= rows[:, group].sum(axis=1) == 1
        return kept

    def judged(self, rows: Bits) -> tuple[Floats, Floats]:
        """Return [r] violations of all constraints of the whole problem and [r] its energies, for [r, k] steps."""
        energies = self._forms[0].values(rows)
        activities = np.array([form.values(rows) for form in self._forms[1:]]).reshape(-1, len(rows))
        return self._model.violation(activities), energies
