"""Fine-grained pruning-quantization of a network as a quadratic problem over one-hot choices of options."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self, get_args

import dimod
import numpy as np
from numpy.typing import NDArray
from pyqubo import Array, Constraint, Placeholder

from qubo_dnn.compression.options import Option, bit_widths
from qubo_dnn.compression.plan import Plan
from qubo_dnn.compression.task import CompressionTask
from qubo_dnn.errors import FormulationError, OptionError, suggestion
from qubo_dnn.parameters import make_parameters
from qubo_dnn.problem import Constraint as ProblemConstraint
from qubo_dnn.problem import Problem, Sample
from qubo_formulations.example_task import example_task

Objective = Literal["gauss-newton", "separable", "trace"]
# At thousands of variables the symbolic sum takes minutes; arrays give the same model (a test compares them).
PYQUBO_VARIABLES = 256


class PruningQuantization:
    """Options of all units that increase the loss least within a budget of stored bits.

    Variables: `x[u][k]` = 1 gives unit u the k-th option, one-hot in k; U*K of them.
    Objective: `1/2 x' M x` in nats, the predicted increase of the loss, where M is one of

    - `gauss-newton`: (1 - r) Q + r (diag Q + T) / 2. Q[uk,vl] = d[uk]' G d[vl] for the changes d of the weights and
      the generalized Gauss-Newton matrix G of the loss: errors of different units add up or cancel, and the
      pairwise terms say which. Q is sampled on few images, and along directions no image excited its optimum
      finds losses of nothing; shrinkage towards a diagonal takes them away, as in covariance estimation. Half of
      the target lets no error cancel another (diag Q), the other half smooths the noise of single entries (T).
    - `separable`: diag Q, the diagonal of Q alone.
    - `trace`: T, diagonal with T[uk] = t |d[uk]|^2 and t the layer's mean of Q[uk,uk] / |d[uk]|^2, in the manner of
      HAWQ-V2/V3 (average curvature of the layer times squared error).

    Constraint: sum of cost[u,k] x[u][k] <= limit, in stored bits.

    Args:
        task: the measured network.
        objective: see above.
        shrinkage: r of `gauss-newton`, 0 to 1; `python -m bench.compression --shrinkages` compares values.

    Raises:
        OptionError: unknown objective, or shrinkage out of range.
        FormulationError: the task has no sensitivity.
        BudgetError: no choice meets the limit.

    Source: Dong et al. 2020 (HAWQ-V2); Martens 2020 (generalized Gauss-Newton); Ledoit & Wolf 2004 (shrinkage).
    """

    name: ClassVar[str] = "pruning-quantization"
    summary: ClassVar[str] = "bit width per unit of a network, pairwise loss model, budget of stored bits"
    needs_sensitivity: ClassVar[bool] = True
    default_options: ClassVar[tuple[Option, ...]] = bit_widths(0, 2, 3, 4, 6, 8)

    def __init__(self, task: CompressionTask, objective: str = "gauss-newton", shrinkage: float = 0.7) -> None:
        if objective not in get_args(Objective):
            raise OptionError(f"unknown objective {objective!r}{suggestion(objective, get_args(Objective))}")
        if not 0.0 <= shrinkage <= 1.0:
            raise OptionError(f"shrinkage must be within 0 and 1, not {shrinkage}")
        if task.sensitivity is None:
            raise FormulationError("the task has no sensitivity, which this formulation needs")
        task.check_reachable()
        self.task = task
        self.matrix = _loss_matrix(task, task.sensitivity, objective, shrinkage)

    @classmethod
    def from_task(cls, task: CompressionTask, **parameters: Any) -> Self:
        """See `qubo_dnn.compression.task.CompressionFormulation`."""
        return cls(task, **make_parameters(cls, parameters))

    @classmethod
    def example(cls, seed: int) -> Self:
        """5 units of 2 layers with 3 options each."""
        return cls(example_task(seed))

    def compile(self) -> Problem[Plan]:
        """The problem; written in pyqubo up to `PYQUBO_VARIABLES` variables, from arrays beyond."""
        units, options = self.task.cost.shape
        labels = [[f"x[{u}][{k}]" for k in range(options)] for u in range(units)]
        groups = {f"unit {u}": tuple(row) for u, row in enumerate(labels)}
        symbolic = units * options <= PYQUBO_VARIABLES
        objective = pyqubo_objective(self.matrix, groups) if symbolic else array_objective(self.matrix, groups)
        costs = dict(zip((v for row in labels for v in row), self.task.cost.ravel().tolist(), strict=True))
        budget = dimod.BinaryQuadraticModel(costs, {}, float(self.task.overhead), dimod.BINARY)
        return Problem(
            objective=objective,
            decoder=self.decode,
            one_hot=groups,
            constraints={"budget": ProblemConstraint(budget, "<=", float(self.task.limit))},
        )

    def decode(self, sample: Sample) -> Plan:
        """The plan of a sample; a unit with no or several options chosen gets the last of those."""
        units, options = self.task.cost.shape
        chosen = np.array([[sample[f"x[{u}][{k}]"] for k in range(options)] for u in range(units)])
        last = options - 1 - np.argmax(chosen[:, ::-1], axis=1)
        return self.task.plan(np.asarray(last, np.intp))

    def cost(self, value: Plan) -> float:
        """Predicted loss increase of a plan in nats, from the matrix itself; with the term of the shrinkage."""
        choice = self.task.choice(value)
        index = np.arange(len(choice)) * len(self.task.options) + choice
        return 0.5 * float(self.matrix[np.ix_(index, index)].sum(dtype=float))

    def predicted_loss_increase(self, value: Plan) -> float:
        """The same as `cost`."""
        return self.cost(value)


def _loss_matrix(
    task: CompressionTask, sensitivity: NDArray[np.float32], objective: str, shrinkage: float
) -> NDArray[np.float32]:
    diagonal = sensitivity.diagonal().reshape(task.cost.shape)
    trace = np.zeros_like(diagonal)
    for layer in range(len(task.layers)):
        rows = task.layer_of == layer
        error = task.squared_error[rows]
        changed = error > 0.0
        if changed.any():
            trace[rows] = float(np.mean(diagonal[rows][changed] / error[changed])) * error
    if objective == "trace":
        return np.diag(trace.ravel())
    if objective == "separable":
        return np.diag(diagonal.ravel())
    matrix = sensitivity * np.float32(1.0 - shrinkage)
    matrix[np.diag_indices_from(matrix)] += shrinkage / 2.0 * (diagonal + trace).ravel()
    return matrix


def pyqubo_objective(matrix: NDArray[np.float32], groups: dict[str, tuple[str, ...]]) -> dimod.BinaryQuadraticModel:
    """`1/2 x' matrix x` over one-hot groups of equal size, from a symbolic expression.

    The groups stand in the expression as constraints under a placeholder, set to zero here: the framework
    expands them where a backend needs it.
    """
    units, options = len(groups), len(next(iter(groups.values())))
    x = Array.create("x", shape=(units, options), vartype="BINARY")
    flat = [x[u][k] for u in range(units) for k in range(options)]
    expression = sum(0.5 * float(matrix[i, i]) * flat[i] for i in range(len(flat)))
    for i in range(len(flat)):
        for j in range((i // options + 1) * options, len(flat)):
            if matrix[i, j] != 0.0:
                expression += float(matrix[i, j]) * flat[i] * flat[j]
    one_hot = sum(Constraint((sum(x[u]) - 1) ** 2, label) for u, label in enumerate(groups))
    model = (expression + Placeholder("one-hot") * one_hot).compile()
    bqm: dimod.BinaryQuadraticModel = model.to_bqm(feed_dict={"one-hot": 0.0})
    bqm.remove_interactions_from([pair for pair, bias in bqm.quadratic.items() if bias == 0.0])
    return bqm


def array_objective(matrix: NDArray[np.float32], groups: dict[str, tuple[str, ...]]) -> dimod.BinaryQuadraticModel:
    """What `pyqubo_objective` gives, from arrays: a second where the symbolic sum takes minutes."""
    upper = np.triu(matrix.astype(float), 1)
    first = 0
    for group in groups.values():
        upper[first : first + len(group), first : first + len(group)] = 0.0
        first += len(group)
    bqm = dimod.BinaryQuadraticModel(0.5 * matrix.diagonal().astype(float), upper, dimod.BINARY)
    bqm.relabel_variables(dict(enumerate(label for group in groups.values() for label in group)))
    return bqm
