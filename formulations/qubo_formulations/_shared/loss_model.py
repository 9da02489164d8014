"""The quadratic models of the loss that `PruningQuantization` minimises, and their BQMs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import dimod
import numpy as np
from numpy.typing import NDArray
from pyqubo import Array, Constraint, Placeholder

from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.errors import FormulationError

# For thousands of variables the symbolic sum takes minutes; arrays give the same model (a test compares them).
PYQUBO_VARIABLES = 256

Groups = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class LossModel:
    """`offset + linear'x + 1/2 x'Qx` over n binary variables, of which exactly one per group is 1.

    Attributes:
        linear: [n].
        offset: in the unit of the loss.
        matrix: [n, n] Q, or None.
        factor: [n, R] with Q = factor factor', or None; if matrix and factor are both None, Q = 0.
    """

    linear: NDArray[np.float64]
    offset: float
    matrix: NDArray[np.float32] | None = None
    factor: NDArray[np.float32] | None = None

    def value(self, chosen: NDArray[np.intp]) -> float:
        """Return the value of the model when the variables `chosen` are 1 and the others 0."""
        value = self.offset + float(self.linear[chosen].sum())
        if self.matrix is not None:
            value += 0.5 * float(self.matrix[np.ix_(chosen, chosen)].sum(dtype=float))
        if self.factor is not None:
            value += 0.5 * float(np.square(self.factor[chosen].sum(axis=0, dtype=float)).sum())
        return value

    def bqm(self, groups: Groups) -> dimod.BinaryQuadraticModel:
        """Return all terms except the factor as a BQM, whose variables are those of the groups in order."""
        if self.matrix is not None and len(self.linear) <= PYQUBO_VARIABLES:
            bqm = pyqubo_objective(self.matrix, self.linear, groups)
        else:
            bqm = array_objective(self.matrix, self.linear, groups)
        bqm.offset += self.offset
        return bqm


def loss_model(task: CompressionTask, objective: str, shrinkage: float, places: NDArray[np.intp]) -> LossModel:
    """Return the model of the given objective; see `PruningQuantization`.

    Args:
        task: a measured task.
        objective: "gauss-newton", "separable" or "trace".
        shrinkage: r of "gauss-newton".
        places: [n] positions of the variables in the flattened [U, K] arrays of the task.

    Raises:
        FormulationError: the task has no sensitivity.
    """
    measured = task.sensitivity
    if measured is None:
        raise FormulationError("the task has no sensitivity, which this formulation needs")
    diagonal = measured.diagonal().reshape(task.cost.shape)
    trace = _trace_term(task, diagonal)
    ratio = np.ones_like(diagonal) if task.nonlinearity is None else task.nonlinearity
    if objective != "gauss-newton":
        own = trace / 2.0 if objective == "trace" else ratio / 2.0 * diagonal
        return LossModel(linear=(measured.linear + own.ravel())[places], offset=measured.offset)
    # Where less is measured, other units make up for it, which the pairs say.
    large = np.maximum(ratio - 1.0, 0.0) / 2.0 * diagonal
    cross = 1.0 - shrinkage
    linear = cross * measured.linear + (shrinkage / 4.0 * (diagonal + trace) + large).ravel()
    if measured.factor is not None:
        factor = measured.factor if len(places) == len(measured.factor) else measured.factor[places]
        return LossModel(linear=linear[places], offset=measured.offset, factor=np.float32(np.sqrt(cross)) * factor)
    assert measured.matrix is not None
    matrix = measured.matrix if len(places) == len(measured.matrix) else measured.matrix[np.ix_(places, places)]
    return LossModel(linear=linear[places], offset=measured.offset, matrix=np.float32(cross) * matrix)


def _trace_term(task: CompressionTask, diagonal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return [U, K] the mean curvature of the layer, or of what it reads, times the squared error."""
    trace = np.zeros_like(diagonal)
    for layer in np.unique(task.layer_of):
        rows = task.layer_of == layer
        error = task.squared_error[rows]
        changed = error > 0.0
        if changed.any():
            trace[rows] = float(np.mean(diagonal[rows][changed] / error[changed])) * error
    return trace


def pyqubo_objective(
    matrix: NDArray[np.float32], linear: NDArray[np.float64], groups: Groups
) -> dimod.BinaryQuadraticModel:
    """`linear'x + 1/2 x' matrix x` over one-hot groups, from a symbolic expression.

    The groups enter the expression as constraints with a placeholder weight, set to zero here: the framework
    turns them into penalties if a backend needs it.
    """
    names = [name for group in groups.values() for name in group]
    x = Array.create("x", shape=len(names), vartype="BINARY")
    group_of = np.repeat(np.arange(len(groups)), [len(group) for group in groups.values()])
    expression = sum((0.5 * float(matrix[i, i]) + float(linear[i])) * x[i] for i in range(len(names)))
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            if group_of[i] != group_of[j] and matrix[i, j] != 0.0:
                expression += float(matrix[i, j]) * x[i] * x[j]
    one_hot = sum(
        Constraint((sum(x[i] for i in np.flatnonzero(group_of == g).tolist()) - 1) ** 2, label)
        for g, label in enumerate(groups)
    )
    model = (expression + Placeholder("one-hot") * one_hot).compile()
    bqm: dimod.BinaryQuadraticModel = model.to_bqm(feed_dict={"one-hot": 0.0})
    bqm.remove_interactions_from([pair for pair, bias in bqm.quadratic.items() if bias == 0.0])
    bqm.relabel_variables({f"x[{i}]": name for i, name in enumerate(names)})
    return bqm


def array_objective(
    matrix: NDArray[np.float32] | None, linear: NDArray[np.float64], groups: Groups
) -> dimod.BinaryQuadraticModel:
    """Return the model of `pyqubo_objective` from arrays, in a second instead of minutes."""
    if matrix is None:
        bqm = dimod.BinaryQuadraticModel(linear, {}, dimod.BINARY)
    else:
        upper = np.triu(matrix.astype(float), 1)
        first = 0
        for group in groups.values():
            upper[first : first + len(group), first : first + len(group)] = 0.0
            first += len(group)
        bqm = dimod.BinaryQuadraticModel(linear + 0.5 * matrix.diagonal(), upper, dimod.BINARY)
    bqm.relabel_variables(dict(enumerate(name for group in groups.values() for name in group)))
    return bqm
