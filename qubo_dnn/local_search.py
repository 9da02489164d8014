"""Local moves on a problem that keep its one-hot groups; relaxation, repair and penalty weights use them.

A move flips one free variable or switches one one-hot group to another option. The changes of the objective and of all
constraints under every move are updated incrementally, in O(degree) per move.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.problem import Problem
from qubo_dnn.sites import Sites

if TYPE_CHECKING:
    from scipy import sparse

Floats = NDArray[np.float64]
Bits = NDArray[np.int8]


class QuadraticForm:
    """A BINARY model over the problem's variables as arrays: `offset + linear x + 1/2 x (couplings) x`.

    Args:
        bqm: the model.
        index: variable -> its place.
        site_of: [n] site of each variable: a one-hot group, or a free variable by itself.

    Attributes:
        linear: [n] linear biases.
        pairs: arrays (first index, second index, bias) of the couplings.
        couplings: symmetric CSR matrix [n, n] without diagonal and without terms inside a one-hot group, which are zero
            in every state with exactly one chosen option.
        rounding: smaller changes of the form may be rounding errors.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": -2.0}, {("a", "b"): 3.0}, 0.0, "BINARY")
        >>> form = QuadraticForm(bqm, {"a": 0, "b": 1}, np.array([0, 1]))
        >>> form.fields(np.array([1, 0], np.int8)).tolist()
        [-1.0, 1.0]
    """

    def __init__(self, bqm: dimod.BinaryQuadraticModel, index: Mapping[Any, int], site_of: NDArray[np.intp]) -> None:
        n = len(index)
        vectors = bqm.to_numpy_vectors(return_labels=True)
        place = np.fromiter((index[v] for v in vectors.labels), np.int32, len(vectors.labels))
        self.offset = float(bqm.offset)
        self.linear = np.zeros(n)
        self.linear[place] = vectors.linear_biases
        values = np.asarray(vectors.quadratic.biases, dtype=float)
        self.rounding = 1e-12 * max(np.abs(self.linear).max(initial=0.0), np.abs(values).max(initial=0.0))
        self._place, self._site_of, self._vectors = place, site_of, vectors.quadratic

    @cached_property
    def pairs(self) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
        # Lazy: a backend that keeps all constraints is called before it is needed.
        row, column = (self._place[ends] for ends in (self._vectors.row_indices, self._vectors.col_indices))
        values = np.asarray(self._vectors.biases, dtype=float)
        apart = (self._site_of[row] != self._site_of[column]) & (values != 0.0)
        return row[apart], column[apart], values[apart]

    @cached_property
    def couplings(self) -> sparse.csr_matrix:
        # Imported here because scipy is slow to import, and a backend may refuse the problem before.
        from scipy import sparse

        row, column, values = self.pairs
        upper = sparse.csr_matrix((values, (row, column)), shape=(len(self.linear),) * 2)
        return sparse.csr_matrix(upper + upper.T.tocsr())

    def fields(self, x: Bits) -> Floats:
        """Return [n] changes of the form if one variable goes from 0 to 1 and the others stay as in `x`."""
        return np.asarray(self.linear + self.couplings @ x.astype(float))

    def value(self, x: Bits, fields: Floats) -> float:
        """Return the value of the form at `x`, given its `fields` at `x`."""
        return self.offset + 0.5 * float(x @ (fields + self.linear))


class LocalModel:
    """A problem as arrays, shared by all of its states.

    Attributes:
        groups: one array of variable indices for every one-hot group.
        free: indices of the variables in no group.
        sites: the groups and then the free variables, of which each takes one option.
        site_of: [n] site of every variable.
        forms: the objective, then every constraint's left side.
        constraints: in the order of `forms[1:]`.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> model = LocalModel(get_formulation("knapsack").example(0).compile())
        >>> len(model.free), len(model.forms)
        (10, 2)
    """

    def __init__(self, problem: Problem[Any]) -> None:
        self.variables = problem.variables
        self.sites = Sites.of_problem(problem)
        self.groups = list(self.sites.each())[: len(problem.one_hot)]
        self.site_of = self.sites.site_of_variable
        self.free = np.flatnonzero(self.site_of >= len(self.groups))
        self.constraints = list(problem.constraints.values())
        models = [problem.objective, *(constraint.lhs for constraint in self.constraints)]
        self.forms = [QuadraticForm(model, problem.index, self.site_of) for model in models]

    def violation(self, activities: Floats) -> Floats:
        """Sum the excesses of all constraints, each relative to its right side; 0.0 if all hold.

        Args:
            activities: [constraints, ...] values of the left sides.

        Returns:
            [...] dimensionless; right sides smaller than 1 count as 1.
        """
        total: Floats = np.zeros(activities.shape[1:])
        for constraint, values in zip(self.constraints, activities, strict=True):
            total += constraint.excess(values) / max(1.0, abs(constraint.rhs))
        return total


class LocalState:
    """A state of a `LocalModel` in which every group has exactly one chosen option.

    Args:
        model: the problem's arrays.
        x: [n] start state. Groups with no chosen option or with several are repaired one after another: each takes the
            option that raises the objective least, among the chosen ones or, if there are none, among all.

    Attributes:
        x: [n] the state, 0 or 1.
        chosen: [n] index of the variable that is 1 in the same group, -1 for free variables.
        fields: `QuadraticForm.fields` of every form.
        values: value of every form; `values[1:]` are the activities of the constraints.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": -2.0}, {("a", "b"): 3.0}, 0.0, "BINARY")
        >>> state = LocalState(LocalModel(Problem(objective=bqm, decoder=dict)), np.zeros(2, np.int8))
        >>> state.move(1)
        >>> state.values.tolist(), state.changes().tolist()
        ([-2.0], [[2.0, 2.0]])
    """

    def __init__(self, model: LocalModel, x: Bits) -> None:
        self.model = model
        self.x = x.astype(np.int8)
        candidates = []
        for group in model.groups:
            marked = group[self.x[group] == 1]
            if len(marked) != 1:
                candidates.append(marked if len(marked) else group)
                self.x[group] = 0
        self.fields = [form.fields(self.x) for form in model.forms]
        self.values = np.array([form.value(self.x, f) for form, f in zip(model.forms, self.fields, strict=True)])
        for options in candidates:
            self._flip(int(options[np.argmin(self.fields[0][options])]))
        self.chosen = np.full(len(model.variables), -1, np.intp)
        for group in model.groups:
            self.chosen[group] = group[np.argmax(self.x[group])]

    def _flip(self, variable: int) -> None:
        sign = 1 - 2 * int(self.x[variable])
        for index, form in enumerate(self.model.forms):
            self.values[index] += sign * self.fields[index][variable]
            begin, end = form.couplings.indptr[variable : variable + 2]
            self.fields[index][form.couplings.indices[begin:end]] += sign * form.couplings.data[begin:end]
        self.x[variable] += sign

    def move(self, variable: int) -> None:
        """Flip a free variable, or switch a group to `variable`."""
        if self.chosen[variable] >= 0:
            self._flip(int(self.chosen[variable]))
            self.chosen[self.model.groups[self.model.site_of[variable]]] = variable
        self._flip(variable)

    def go_to(self, x: Bits) -> None:
        """Make the moves that lead to `x`, in which every group must have exactly one chosen option."""
        for variable in np.flatnonzero(x != self.x):
            if x[variable] or self.chosen[variable] < 0:
                self.move(int(variable))

    @property
    def violation(self) -> float:
        """See `LocalModel.violation`."""
        return float(self.model.violation(self.values[1:]))

    def meets(self, index: int) -> bool:
        """Return whether constraint `index` holds."""
        return self.model.constraints[index].violation(float(self.values[index + 1])) == 0.0

    def changes(self) -> Floats:
        """Return [forms, n] changes of every form under every move; 0 for options already chosen."""
        fields = np.array(self.fields)
        change: Floats = (1.0 - 2.0 * self.x) * fields
        grouped = self.chosen >= 0
        change[:, grouped] = fields[:, grouped] - fields[:, self.chosen[grouped]]
        return change


def descend(state: LocalState, weights: Floats) -> None:
    """Make moves that lower the weighted sum of the forms, block by block, until no move lowers it.

    Args:
        state: changed in place.
        weights: [forms] weight of every form.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": -2.0}, {("a", "b"): 3.0}, 0.0, "BINARY")
        >>> state = LocalState(LocalModel(Problem(objective=bqm, decoder=dict)), np.array([1, 1], np.int8))
        >>> descend(state, np.ones(1))
        >>> state.x.tolist()
        [0, 1]
    """
    least = sum(abs(weight) * form.rounding for weight, form in zip(weights, state.model.forms, strict=True))
    blocks = [*state.model.groups, *state.model.free.reshape(-1, 1)]
    improved = True
    while improved:
        improved = False
        for block in blocks:
            fields = sum(weight * f[block] for weight, f in zip(weights, state.fields, strict=True))
            if state.chosen[block[0]] >= 0:
                best = int(np.argmin(fields))
                gain = fields[block == state.chosen[block[0]]][0] - fields[best]
            else:
                best, gain = 0, (2.0 * int(state.x[block[0]]) - 1.0) * fields[0]
            if gain > least:
                state.move(int(block[best]))
                improved = True
