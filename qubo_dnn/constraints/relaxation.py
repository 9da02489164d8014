"""Relaxations of a problem for a backend that does not keep all of its constraints.

A constraint with a penalty model (`Constraint.penalty`) becomes that model times a weight, which grows while the
backend breaks the constraint. Any other inequality becomes a linear term with a multiplier, unless it is encoded
(`qubo_dnn.encodings`). The weights and multipliers are adjusted to the backend's answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import dimod
import numpy as np

from qubo_dnn.backend import Backend, Capabilities, SolveOptions
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.constraints.asking import ask, begun_at
from qubo_dnn.constraints.cutting_planes import CuttingPlanes
from qubo_dnn.constraints.lagrangian import (
    MultiplierSearch,
    bisect_locally,
    check_relaxable,
    typical_price,
    weights,
)
from qubo_dnn.constraints.penalties import MARGIN, constraint_weights, gain_of_breaking, one_hot_penalties
from qubo_dnn.encodings.names import LAGRANGIAN, encode_inequalities
from qubo_dnn.local_search import Bits, Floats, LocalModel, LocalState, descend
from qubo_dnn.presolve.reduction import expand, reduce, shares
from qubo_dnn.problem import Problem, Sample, weighted_sum

_GROWTH, _STIFFER, _SPENT = 1.2, 2.0, 1e-3


class RelaxedProblem:
    """A relaxed problem: native constraints stay, groups and equalities become penalties, inequalities linear terms.

    The first multipliers and penalties come from a local descent. A backend, which may be slow or charge by the call,
    therefore needs only a few calls.

    Args:
        problem: problem to relax as far as necessary.
        capabilities: capabilities of the backend.
        deadline: `time.perf_counter()` at which the descent stops with the multipliers so far.
        presolve: reduce the problem before each call, see `qubo_dnn.presolve.reduction`.
        inequalities: encoding of the inequalities without a penalty model, see `qubo_dnn.encodings.names`.
        one_answer: True if a single optimum of what the backend is asked is enough, so that the presolve may eliminate
            variables. It does so only if nothing is relaxed, since other rows may keep the constraints.

    Attributes:
        original: the given problem, for which samples are decoded and repaired. Only it contains the constraints that
            do not depend on variables.
        model: arrays of `original`, with all of its constraints.
        problem: the problem that is relaxed, over the original variables and slack variables.
        multipliers: inequality -> multiplier >= 0, 0.0 if it does not bind; empty if none is relaxed.
        penalties: one-hot group -> weight; empty if the backend keeps groups natively.
        weights: penalised constraint -> weight of its penalty model.
        relaxed: True if a constraint is relaxed, so that rows may break the problem's constraints.
        improved: True if local moves improve the rows although nothing is relaxed: a quadratic inequality is kept.
        start: final state of the local descent; None if nothing is relaxed.
        settled: True if another call of the backend would not improve the weights.
        presolved: figures of the last reduction, see `Reduction.summary`; empty without a reduction.

    Raises:
        UnsupportedProblemError: a constraint can be neither kept by the backend nor relaxed.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> relaxation = RelaxedProblem(knapsack, Capabilities())
        >>> list(relaxation.multipliers), relaxation.asked().constraint_kinds
        (['capacity'], frozenset())
    """

    def __init__(
        self,
        problem: Problem[Any],
        capabilities: Capabilities,
        deadline: float = math.inf,
        presolve: bool = False,
        inequalities: str = LAGRANGIAN,
        one_answer: bool = False,
    ) -> None:
        native = capabilities.native_constraints
        self.original, self.problem = problem, problem.without_constants()
        self.presolve, self.one_answer = presolve, one_answer
        self.presolved: dict[str, int] = {}
        self.model = LocalModel(problem)
        self.multipliers: dict[str, float] = {}
        self.penalties: dict[str, float] = {}
        self.weights: dict[str, float] = {}
        self._growth: dict[str, float] = {}
        self.relaxed = not capabilities.supports(self.problem)
        quadratic = ConstraintKind.QUADRATIC_INEQUALITY in self.problem.constraint_kinds
        # The local model knows no low-rank form, and a proven optimum needs no moves.
        self.improved = quadratic and not self.relaxed and problem.low_rank is None and not capabilities.bounds
        self.settled = not self.relaxed
        self._planes: CuttingPlanes | None = None
        self._searches: list[MultiplierSearch] = []
        self._native_groups = ConstraintKind.ONE_HOT in native
        self.start: LocalState | None = None
        self._penalty_models: dict[str, dimod.BinaryQuadraticModel] = {}
        # Arrays of `problem`; arrays of `_folded`, which is `problem` with penalties added to its objective.
        self._problem_model = self._local = self.model
        self._folded = self.problem
        if self.relaxed:
            encoded = encode_inequalities(self.problem, inequalities)
            self.problem = encoded.problem
            if self.problem is not problem:
                self._problem_model = LocalModel(self.problem)
            own = {label: each.penalty for label, each in self.problem.constraints.items() if each.penalty is not None}
            self._penalty_models = {**own, **encoded.models}
            others = {k: each for k, each in self.problem.constraints.items() if k not in self._penalty_models}
            check_relaxable(others)
            if self._penalty_models:
                self.weights = constraint_weights(self.problem, self._penalty_models)
            self._search(deadline)

    def _search(self, deadline: float = math.inf) -> None:
        """Set multipliers and group penalties by local descent, with the current weights of the constraints."""
        self._folded = self._with_penalties()
        self._local = self._problem_model if self._folded is self.problem else LocalModel(self._folded)
        state = LocalState(self._local, np.zeros(len(self._local.variables), np.int8))
        self._planes, self._searches, self.multipliers = None, [], {}
        if not self._folded.constraints:
            descend(state, self._weights())
        elif len(self._folded.constraints) == 1:
            self._search_from([bisect_locally(state, deadline)], state)
        else:
            self._planes = CuttingPlanes.by_descent(state, deadline)
            self._search_from(self._planes.multipliers, state)
        if self.problem.one_hot and not self._native_groups:
            bounds = dict(zip(self.problem.one_hot, one_hot_penalties(state, self._weights()), strict=True))
            for label, bound in bounds.items():
                self._raise(self.penalties, label, max(bound, self.penalties.get(label, 0.0)))
        self.start = LocalState(self.model, self._of_original(state.x))

    def _with_penalties(self) -> Problem[Any]:
        """Add the penalised constraints to the objective; return the problem itself if there are none."""
        if not self.weights:
            return self.problem
        penalties = [(self._penalty_models[label], weight) for label, weight in self.weights.items()]
        objective = weighted_sum(self.problem.variables, [(self.problem.objective, 1.0), *penalties])
        others = {label: each for label, each in self.problem.constraints.items() if label not in self.weights}
        return replace(self.problem, objective=objective, constraints=others, penalties={})

    def _raise(self, weights: dict[str, float], label: str, weight: float) -> None:
        """Set a weight, but at most to the value that is proven to be sufficient."""
        weights[label] = min(weight, self.problem.penalties.get(label, math.inf))

    def asked(self) -> Problem[Any]:
        """Return the problem for the backend at the current weights, with native constraints only."""
        asked = self.problem.relaxed(self._objective()) if self.relaxed else self.problem
        return Problem(objective=asked.bqm(self.penalties), decoder=dict) if self.penalties else asked

    def sample(self, backend: Backend, options: SolveOptions, start: Sample | None = None) -> dimod.SampleSet:
        """Call the backend; the rows are over the problem's variables and may break its constraints.

        Args:
            backend: has the capabilities that the problem was relaxed for.
            options: of the backend.
            start: state of the original variables that the backend begins at, too, if it can.

        Raises:
            BackendFailedError: the sample set has no rows, the wrong variables, or values other than 0 and 1.
        """
        asked = self.asked()
        # Presolve handles neither constraints nor low-rank forms.
        if not self.presolve or asked.constraints or asked.low_rank is not None:
            return ask(backend, asked, begun_at(backend, options, start, asked.variables))
        able = backend.capabilities
        whole = able.remote or able.structured
        seconds = 0.0
        if self.one_answer and not (self.relaxed or whole):
            seconds = math.inf if options.time_limit is None else options.time_limit
        reduction = reduce(asked, split=not whole, eliminate_within=seconds)
        self.presolved = reduction.summary()
        answers = [
            ask(backend, part, begun_at(backend, share, start, part.variables))
            for part, share in shares(reduction, options)
        ]
        return expand(asked, reduction, answers)

    def lagrangian(self, x: Bits) -> float:
        """Return the relaxed objective at `x`; its minimum is a lower bound on all answers (weak duality)."""
        values = np.array([form.value(x, form.fields(x)) for form in self._local.forms])
        rhs = np.array([0.0, *(constraint.rhs for constraint in self._local.constraints)])
        return float(self._weights() @ (values - rhs))

    def learn(self, x: Bits) -> tuple[str, ...]:
        """Adjust weights, multipliers and penalties to the backend's best row.

        Args:
            x: [n] the row of least energy, as returned.

        Returns:
            Labels of the groups and penalised constraints that the row breaks.
        """
        groups = dict(zip(self.problem.one_hot, self._local.groups, strict=True))
        broken_groups = [label for label, group in groups.items() if x[group].sum() != 1]
        broken = [label for label in self.weights if self._breaks(label, x)]
        before = {**self.penalties, **self.weights}
        if self.penalties:
            fields = np.tensordot(self._weights(), [form.fields(x) for form in self._local.forms], axes=1)
            for label in broken_groups:
                needed = MARGIN * gain_of_breaking(fields, groups[label], x)
                self._raise(self.penalties, label, max(needed, _STIFFER * self.penalties[label]))
        for label in broken:
            # The factor grows as 2, 4, 8, ..., so that a start value far too low needs only a few calls.
            self._growth[label] = _STIFFER * self._growth.get(label, 1.0)
            self._raise(self.weights, label, self._growth[label] * self.weights[label])
        # If all broken constraints already have sufficient weights, the next call would pose the same problem.
        self.settled = before == {**self.penalties, **self.weights}
        if broken and not self.settled:
            self._search()
        elif self.multipliers:
            self.settled &= self._learn_multipliers(LocalState(self._local, x))
        return (*broken_groups, *broken)

    def _breaks(self, label: str, x: Bits) -> bool:
        """Return whether a constraint is broken; an encoded inequality is checked without its slack."""
        ours = label in self.original.constraints
        problem, model = (self.original, self.model) if ours else (self.problem, self._problem_model)
        index, state = list(problem.constraints).index(label), self._of_original(x) if ours else x
        form = model.forms[index + 1]
        return model.constraints[index].violation(form.value(state, form.fields(state))) > 0.0

    def _of_original(self, x: Bits) -> Bits:
        """Select the variables of the original problem from those of `problem`."""
        if self.problem is self.original:
            return x
        return x[[self.problem.index[variable] for variable in self.original.variables]]

    def _search_from(self, multipliers: Sequence[float] | Floats, state: LocalState) -> None:
        """Set the multipliers and restart the search near them."""
        self.multipliers = {label: float(m) for label, m in zip(self._folded.constraints, multipliers, strict=True)}
        self._searches = [
            MultiplierSearch(multiplier or typical_price(state, index), _GROWTH)
            for index, multiplier in enumerate(self.multipliers.values())
        ]

    def _learn_multipliers(self, answer: LocalState) -> bool:
        """Adjust the multipliers; return whether those that led to `answer` are good enough."""
        if self._planes is not None and self._planes.add(answer.values):
            self._search_from(self._planes.multipliers, answer)
            return False
        good = [self._learn_multiplier(index, label, answer) for index, label in enumerate(self.multipliers)]
        return all(good)

    def _learn_multiplier(self, index: int, label: str, answer: LocalState) -> bool:
        """Adjust a multiplier; return whether the one that led to `answer` is good enough."""
        search, met = self._searches[index], answer.meets(index)
        if self.multipliers[label] > 0.0:
            search.feedback(met)
        elif met:
            return True
        self.multipliers[label] = search.multiplier
        rhs = self._local.constraints[index].rhs
        spent = abs(answer.values[index + 1] - rhs) <= _SPENT * abs(rhs)
        return search.settled or (met and bool(spent))

    def _weights(self) -> Floats:
        senses = [constraint.sense for constraint in self._local.constraints]
        return weights(senses, np.array(list(self.multipliers.values())))

    def _objective(self) -> dimod.BinaryQuadraticModel:
        models = [self._folded.objective, *(constraint.lhs for constraint in self._folded.constraints.values())]
        return weighted_sum(self._folded.variables, zip(models, self._weights().tolist(), strict=True))
