"""Feasible local moves on a problem: what relaxation, repair and penalty bounds are computed with.

A move flips one free variable or switches one one-hot group to another of its options. The change of the
objective and of every constraint under all moves is kept incrementally, O(degree) for each move made.
"""

from __future__ import annotations

from typing import Any

import dimod
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from qubo_dnn.problem import Problem

Floats = NDArray[np.float64]
Bits = NDArray[np.int8]


class QuadraticForm:
    """A BINARY model over the problem's variables as arrays: `offset + linear x + 1/2 x (couplings) x`.

    Attributes:
        linear: [n].
        couplings: symmetric CSR [n, n] without diagonal and without terms inside a one-hot group, which
            are zero in every state with exactly one option chosen.
    """

    def __init__(self, bqm: dimod.BinaryQuadraticModel, position: dict[Any, int], group_of: NDArray[np.intp]) -> None:
        n = len(position)
        vectors = bqm.to_numpy_vectors(return_labels=True)
        place = np.fromiter((position[v] for v in vectors.labels), np.intp, len(vectors.labels))
        self.offset = float(bqm.offset)
        self.linear = np.zeros(n)
        self.linear[place] = vectors.linear_biases
        row, column = place[vectors.quadratic.row_indices], place[vectors.quadratic.col_indices]
        values = np.asarray(vectors.quadratic.biases, dtype=float)
        apart = (group_of[row] < 0) | (group_of[row] != group_of[column])
        upper = sparse.csr_matrix((values[apart], (row[apart], column[apart])), shape=(n, n))
        self.couplings = sparse.csr_matrix(upper + upper.T)

    def fields(self, x: Bits) -> Floats:
        """Change of the form when each variable goes from 0 to 1, the others as in `x`; [n]."""
        return np.asarray(self.linear + self.couplings @ x.astype(float))

    def value(self, x: Bits, fields: Floats) -> float:
        """The form at `x`, given its `fields` there."""
        return self.offset + 0.5 * float(x @ (fields + self.linear))


class LocalModel:
    """A problem as arrays, shared by all states of it.

    Attributes:
        groups: one array of variable indices for every one-hot group.
        free: indices of the variables in no group.
        group_of: [n] index of a variable's group, -1 for free variables.
        forms: the objective, then every constraint's left side.
        senses, rhs: of every constraint.
    """

    def __init__(self, problem: Problem[Any]) -> None:
        self.variables = problem.variables
        position = {variable: index for index, variable in enumerate(self.variables)}
        self.groups = [np.array([position[v] for v in group], np.intp) for group in problem.one_hot.values()]
        self.group_of = np.full(len(position), -1, np.intp)
        for index, group in enumerate(self.groups):
            self.group_of[group] = index
        self.free = np.flatnonzero(self.group_of < 0)
        models = [problem.objective, *(constraint.lhs for constraint in problem.constraints.values())]
        self.forms = [QuadraticForm(model, position, self.group_of) for model in models]
        self.senses = [constraint.sense for constraint in problem.constraints.values()]
        self.rhs = np.array([constraint.rhs for constraint in problem.constraints.values()])
        self.tolerance = 1e-9 * np.maximum(1.0, np.abs(self.rhs))

    def excess(self, activities: Floats) -> Floats:
        """How far constraint values are beyond the right side; [constraints, ...], 0 where they hold."""
        rhs = self.rhs.reshape(-1, *[1] * (activities.ndim - 1))
        beyond = activities - rhs
        for index, sense in enumerate(self.senses):
            beyond[index] = {"<=": beyond[index], ">=": -beyond[index], "==": np.abs(beyond[index])}[sense]
        return np.where(beyond > self.tolerance.reshape(rhs.shape), beyond, 0.0)


class LocalState:
    """One state of a `LocalModel` in which every group has exactly one option chosen.

    Args:
        model: the problem's arrays.
        x: [n] start; groups with no or several options chosen are set to the least costly of the chosen
            options, or of all where none is chosen.
    """

    def __init__(self, model: LocalModel, x: Bits) -> None:
        self.model = model
        self.x = x.astype(np.int8)
        broken = [index for index, group in enumerate(model.groups) if self.x[group].sum() != 1]
        wanted = [model.groups[index][self.x[model.groups[index]] == 1] for index in broken]
        for index in broken:
            self.x[model.groups[index]] = 0
        self.fields = [form.fields(self.x) for form in model.forms]
        self.values = np.array([form.value(self.x, f) for form, f in zip(model.forms, self.fields, strict=True)])
        self.chosen = np.full(len(model.variables), -1, np.intp)
        for index, options in zip(broken, wanted, strict=True):
            options = options if len(options) else model.groups[index]
            self.flip(int(options[np.argmin(self.fields[0][options])]))
        for group in model.groups:
            self.chosen[group] = group[np.argmax(self.x[group])]
        self.groups_mended = len(broken)

    def flip(self, variable: int) -> None:
        """Flip one variable and update fields and values."""
        sign = 1 - 2 * int(self.x[variable])
        for index, form in enumerate(self.model.forms):
            self.values[index] += sign * self.fields[index][variable]
            begin, end = form.couplings.indptr[variable : variable + 2]
            self.fields[index][form.couplings.indices[begin:end]] += sign * form.couplings.data[begin:end]
        self.x[variable] += sign

    def move(self, variable: int) -> None:
        """Flip a free variable, or switch a group to `variable`."""
        group = self.model.group_of[variable]
        if group >= 0:
            self.flip(int(self.chosen[variable]))
            self.chosen[self.model.groups[group]] = variable
        self.flip(variable)

    def changes(self, weights: Floats) -> Floats:
        """Change of the weighted sum of the forms under every move; [n], 0 for options already chosen."""
        fields = np.tensordot(weights, self.fields, axes=1)
        change: Floats = (1.0 - 2.0 * self.x) * fields
        grouped = self.chosen >= 0
        change[grouped] = fields[grouped] - fields[self.chosen[grouped]]
        return change

    def activity_changes(self) -> Floats:
        """Change of every constraint's left side under every move; [constraints, n]."""
        units = np.eye(len(self.fields))[1:]
        return np.array([self.changes(unit) for unit in units]).reshape(len(units), len(self.x))


def descend(state: LocalState, weights: Floats) -> None:
    """Make improving moves of the weighted sum of the forms, group by group, until none is left."""
    scale = float(np.abs(np.tensordot(weights, [form.linear for form in state.model.forms], axes=1)).max(initial=0.0))
    least = 1e-12 * max(scale, np.finfo(float).tiny)
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
