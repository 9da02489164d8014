"""Fine-grained pruning-quantization of a network as a quadratic problem over one-hot options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.options import FLOAT_BITS, Option, bit_widths
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.compression.task.task import Alternatives, CompressionTask
from qubo_dnn.errors import FormulationError, OptionError, suggestion
from qubo_dnn.parameters import make_parameters
from qubo_dnn.problem import LowRank, Problem, Sample
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.loss_model import loss_model
from qubo_formulations._shared.plan_budgets import Products, budget_constraint, usable_products
from qubo_formulations._shared.plan_descent import quick_choice
from qubo_formulations.example_task import example_task

Objective = Literal["gauss-newton", "separable", "trace"]
SHRINKAGES = (0.5, 0.85)
_SHRINKAGE = 0.7


class PruningQuantization:
    """Choose an option for every unit such that the loss increases least within the budgets.

    Variables: `x[u][k]` = 1 gives decision u the k-th option (bits and sparsity; 0 bits = pruned), one-hot in k; one
    for every option that a decision may take.
    Objective: `offset + l'x + 1/2 x'Mx` in the unit of the loss, the predicted increase of the loss, where M is

    - `gauss-newton`: (1 - r) Q + r (diag Q + T) / 2. Q[uk,vl] = d[uk]' G d[vl] for the changes d of the weights and
      the generalized Gauss-Newton matrix G of the loss: errors of different units add up or cancel, and the
      pairwise terms model both. Q is estimated from few images, so it is zero along directions that no image
      excites, and an optimum of Q alone exploits them; shrinkage towards a diagonal removes these false optima, as
      in covariance estimation. Half of the target lets no error cancel another (diag Q), the other half smooths the
      noise of single entries (T).
    - `separable`: diag Q, the diagonal of Q alone.
    - `trace`: T, diagonal with T[uk] = t |d[uk]|^2 and t the layer's mean of Q[uk,uk] / |d[uk]|^2, in the manner of
      HAWQ-V2/V3 (average curvature of the layer times squared error).

    and l is the linear term of the sensitivity. It is zero unless the model is taken around a compressed network; it is
    a covariance with the residual of the outputs, and so is shrunk like Q. If the measured loss of a large change is
    c times the loss that Q predicts, `separable` has c diag Q instead of diag Q, and `gauss-newton` adds (c - 1) diag Q
    where c > 1.

    Constraints: sum of cost[u,k] x[u][k] <= limit, in stored bits and in every other budget. A budget of
    multiply-accumulates is quadratic: it adds the product of outputs kept and inputs kept of every layer.

    Args:
        task: the measured network.
        objective: "gauss-newton", "separable" or "trace", as above.
        shrinkage: r of `gauss-newton`, 0 to 1; `tunable` lists the values that are compared on held-out data.

    Raises:
        OptionError: unknown objective, or shrinkage out of range.
        FormulationError: the task has no sensitivity.
        BudgetError: no choice meets a limit.

    Source: Dong et al. 2020 (HAWQ-V2); Martens 2020 (generalized Gauss-Newton); Ledoit & Wolf 2004 (shrinkage).

    Example:
        >>> formulation = PruningQuantization(example_task(seed=1), objective="separable")
        >>> problem = formulation.compile()
        >>> problem.objective.num_variables, len(problem.one_hot), sorted(problem.constraints)
        (15, 5, ['budget'])
    """

    name: ClassVar[str] = "pruning-quantization"
    summary: ClassVar[str] = "option per unit of a network, pairwise loss model, budgets of size, BOPs, MACs or a table"
    needs_sensitivity: ClassVar[bool] = True
    default_options: ClassVar[tuple[Option, ...]] = bit_widths(0, 2, 3, 4, 6, 8)

    @checked
    def __init__(self, task: CompressionTask, objective: str = "gauss-newton", shrinkage: float = _SHRINKAGE) -> None:
        if objective not in get_args(Objective):
            raise OptionError(f"unknown objective {objective!r}{suggestion(objective, get_args(Objective))}")
        if not 0.0 <= shrinkage <= 1.0:
            raise OptionError(f"shrinkage must be within 0 and 1, not {shrinkage}")
        task.check_reachable()
        self.task = task
        # The position of every variable in the flattened [U, K] arrays of the task.
        self.places = np.flatnonzero(task.choices)
        self.groups = {
            f"unit {u}": tuple(f"x[{u}][{k}]" for k in np.flatnonzero(allowed))
            for u, allowed in enumerate(task.choices)
        }
        self.labels = [label for group in self.groups.values() for label in group]
        self.model = loss_model(task, objective, shrinkage, self.places)

    @classmethod
    def from_task(cls, task: CompressionTask, **parameters: Any) -> Self:
        """See `qubo_dnn.compression.task.task.CompressionFormulation`."""
        return cls(task, **make_parameters(cls, parameters))

    @classmethod
    def tunable(cls, parameters: Mapping[str, Any], task: CompressionTask) -> Alternatives:
        """See `qubo_dnn.compression.task.task.CompressionFormulation`: values of the shrinkage, and no pairs at all.

        Where widths of weights are chosen within linear budgets, pairs are better on some networks and worse on others,
        so held-out data decide. Elsewhere their diagonal comes first, since it is measured, one change after another,
        where channels leave, and what rounds activations is not small (`bench.objectives` has the figures). The target
        of the shrinkage is half smoothed, so that no shrinkage gives the diagonal alone. An objective that is set
        stays.
        """
        if "shrinkage" in parameters or parameters.get("objective", "gauss-newton") != "gauss-newton":
            return Alternatives(({},))
        pairs = tuple({"shrinkage": r} for r in SHRINKAGES)
        if "objective" in parameters:
            return Alternatives(pairs)
        narrow = any(0 < option.bits < FLOAT_BITS for option in task.options)
        if narrow and not task.activations and not any(budget.products for budget in task.budgets):
            return Alternatives(({"objective": "separable"}, {"shrinkage": _SHRINKAGE}), clearly=False)
        return Alternatives(({"objective": "separable"}, *pairs))

    @classmethod
    def example(cls, seed: int) -> Self:
        """5 units of 2 layers with 3 options each."""
        return cls(example_task(seed))

    def compile(self) -> Problem[Plan]:
        """Compile the problem; up to 256 variables it is written in pyqubo, beyond that it is built from arrays.

        If the sensitivity is given as a factor, it stays one: the problem then has linear terms and a low-rank form.
        """
        task, variables = self.task, (self.labels, self.places)
        limits = {
            f"budget {budget.name}": budget_constraint(*variables, budget.cost, budget.overhead, budget.limit, products)
            for budget, products in zip(task.budgets, usable_products(task), strict=True)
        }
        if np.isfinite(task.limit):
            limits["budget"] = budget_constraint(*variables, task.cost, task.overhead, task.limit)
        return Problem(
            objective=self.model.bqm(self.groups),
            decoder=self.decode,
            one_hot=self.groups,
            constraints=limits,
            low_rank=None if self.model.factor is None else LowRank(tuple(self.labels), self.model.factor),
        )

    def quick_plan(self) -> Plan | None:
        """See `qubo_dnn.compression.task.quick_planner.QuickPlanner`: local descent at prices of the budgets."""
        task = self.task
        limited = [(budget.cost, budget.greatest - budget.overhead) for budget in task.budgets]
        if np.isfinite(task.limit):
            limited.append((task.cost, task.limit - task.overhead))
        costs = np.array([cost.ravel()[self.places] for cost, _ in limited], float).reshape(-1, len(self.places)).T
        limits = np.array([limit for _, limit in limited], float)
        products = Products.of(usable_products(task), self.places)
        chosen = quick_choice(self.model, task.choices.sum(axis=1), costs, limits, products)
        return None if chosen is None else task.plan(self.places[chosen] % len(task.options))

    def decode(self, sample: Sample) -> Plan:
        """Convert a sample to a plan; a unit with several options, or none, gets the one with the most bits."""
        chosen = np.zeros(self.task.cost.size, bool)
        chosen[self.places] = [bool(sample[label]) for label in self.labels]
        marked = chosen.reshape(self.task.cost.shape)
        marked[~marked.any(axis=1)] = self.task.choices[~marked.any(axis=1)]
        last = len(self.task.options) - 1 - np.argmax(marked[:, ::-1], axis=1)
        return self.task.plan(np.asarray(last, np.intp))

    def encode(self, value: Plan) -> Sample:
        """See `qubo_dnn.compression.task.plan_encoder.PlanEncoder`; the inverse of `decode`."""
        taken = np.zeros(len(self.labels), np.int8)
        taken[self._taken(value)] = 1
        return dict(zip(self.labels, taken.tolist(), strict=True))

    def cost(self, value: Plan) -> float:
        """Return the predicted loss increase of a plan, shrinkage included, computed directly from the arrays.

        Raises:
            FormulationError: a unit has an option that it may not take.
        """
        return self.model.value(self._taken(value))

    def _taken(self, value: Plan) -> NDArray[np.intp]:
        """Return the index of the variable of every unit's option.

        Raises:
            FormulationError: a unit has an option that it may not take.
        """
        choice = self.task.choice(value)
        allowed = self.task.choices[np.arange(len(choice)), choice]
        if not allowed.all():
            u = int(np.argmin(allowed))
            raise FormulationError(f"unit {u} may not take the option {self.task.options[choice[u]]}")
        return np.searchsorted(self.places, np.arange(len(choice)) * len(self.task.options) + choice)

    def predicted_loss_increase(self, value: Plan) -> float:
        """Return the same as `cost`."""
        return self.cost(value)
