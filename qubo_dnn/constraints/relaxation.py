"""What a backend is asked in place of a problem it cannot take whole, sharpened by its own answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import dimod
import numpy as np

from qubo_dnn.backend import Backend, Capabilities, ConstrainedBackend, SolveOptions
from qubo_dnn.constraints.cutting_planes import CuttingPlanes
from qubo_dnn.constraints.lagrangian import (
    MultiplierSearch,
    bisect_locally,
    check_relaxable,
    typical_price,
    weights,
)
from qubo_dnn.constraints.local import Bits, Floats, LocalModel, LocalState, descend
from qubo_dnn.constraints.penalties import MARGIN, gain_of_breaking, one_hot_penalties
from qubo_dnn.errors import BackendFailedError
from qubo_dnn.problem import ConstraintKind, Problem

_GROWTH, _STIFFER, _SPENT = 1.2, 2.0, 1e-3


class Relaxation:
    """The relaxed problem: native constraints kept, groups as penalties, inequalities as linear terms.

    The first multipliers and the first penalties come from a local descent, so that a backend (which may be
    slow, or charge by the call) is asked a few times only.

    Args:
        problem: to be relaxed as far as needed.
        capabilities: of the backend that will be asked.
        deadline: `time.perf_counter()` at which the descent takes the multipliers it has.

    Attributes:
        model: the problem's arrays.
        multipliers: inequality -> weight >= 0, 0.0 where it does not bind; empty where none is relaxed.
        penalties: one-hot group -> weight; empty where the backend keeps groups natively.
        relaxed: whether anything is, so that rows may break the problem's constraints.
        start: where the local descent ended; None where nothing is relaxed.
        settled: the backend need not be asked again.

    Raises:
        UnsupportedProblemError: the constraints can neither be kept by the backend nor relaxed.
    """

    def __init__(self, problem: Problem[Any], capabilities: Capabilities, deadline: float = math.inf) -> None:
        native = capabilities.native_constraints
        self.problem = problem
        self.model = LocalModel(problem)
        self.multipliers: dict[str, float] = {}
        self.penalties: dict[str, float] = {}
        self.relaxed = not problem.constraint_kinds <= native
        self.settled = not self.relaxed
        self._planes: CuttingPlanes | None = None
        self._searches: list[MultiplierSearch] = []
        self.start: LocalState | None = None
        if not self.relaxed:
            return
        self.start = start = LocalState(self.model, np.zeros(len(self.model.variables), np.int8))
        if problem.constraints:
            check_relaxable(problem.constraints)
            if len(problem.constraints) == 1:
                self._search_from([bisect_locally(start, deadline)], start)
            else:
                self._planes = CuttingPlanes.by_descent(start, deadline)
                self._search_from(self._planes.multipliers, start)
        else:
            descend(start, self._weights())
        if problem.one_hot and ConstraintKind.ONE_HOT not in native:
            bounds = one_hot_penalties(start, self._weights())
            self.penalties = dict(zip(problem.one_hot, bounds, strict=True))

    def sample(self, backend: Backend, options: SolveOptions) -> dimod.SampleSet:
        """Ask the backend; the rows are over the problem's variables and may break its constraints.

        Raises:
            BackendFailedError: the answer has no rows, or not the problem's variables in 0 and 1.
        """
        asked = self.problem.relaxed(self._objective()) if self.relaxed else self.problem
        if self.penalties or not asked.constraint_kinds:
            answer = backend.sample(asked.bqm(self.penalties), options)
        else:
            answer = cast(ConstrainedBackend, backend).sample_constrained(asked, options)
        if not len(answer):
            raise BackendFailedError(f"backend {backend.name!r} returned no sample")
        if answer.vartype is not dimod.BINARY or set(answer.variables) != set(self.problem.variables):
            raise BackendFailedError(f"backend {backend.name!r} returned samples of another model than it was given")
        return answer

    def lagrangian(self, x: Bits) -> float:
        """Value of the relaxed objective at `x`: were it the minimum, no answer could be below it (weak duality)."""
        values = np.array([form.value(x, form.fields(x)) for form in self.model.forms])
        rhs = np.array([0.0, *(constraint.rhs for constraint in self.model.constraints)])
        return float(self._weights() @ (values - rhs))

    def learn(self, x: Bits) -> int:
        """Adjust multipliers and penalties to the backend's best row.

        Args:
            x: [n] the row of least energy, as returned.

        Returns:
            How many one-hot groups it breaks.
        """
        groups = dict(zip(self.problem.one_hot, self.model.groups, strict=True))
        broken = [label for label, group in groups.items() if x[group].sum() != 1]
        self.settled = not (broken and self.penalties)
        if not self.settled:
            fields = np.tensordot(self._weights(), [form.fields(x) for form in self.model.forms], axes=1)
            for label in broken:
                needed = MARGIN * gain_of_breaking(fields, groups[label], x)
                self.penalties[label] = max(needed, _STIFFER * self.penalties[label])
        if self.multipliers:
            self.settled &= self._learn_multipliers(LocalState(self.model, x))
        return len(broken)

    def _search_from(self, multipliers: Sequence[float] | Floats, state: LocalState) -> None:
        """Take these multipliers, and search around them from now on."""
        self.multipliers = {label: float(m) for label, m in zip(self.problem.constraints, multipliers, strict=True)}
        self._searches = [
            MultiplierSearch(multiplier or typical_price(state, index), _GROWTH)
            for index, multiplier in enumerate(self.multipliers.values())
        ]

    def _learn_multipliers(self, answer: LocalState) -> bool:
        """Adjust the multipliers; whether those that led to `answer` are good enough."""
        if self._planes is not None and self._planes.add(answer.values):
            self._search_from(self._planes.multipliers, answer)
            return False
        good = [self._learn_multiplier(index, label, answer) for index, label in enumerate(self.multipliers)]
        return all(good)

    def _learn_multiplier(self, index: int, label: str, answer: LocalState) -> bool:
        """Adjust a multiplier; whether the one that led to `answer` is good enough."""
        search, met = self._searches[index], answer.meets(index)
        if self.multipliers[label] > 0.0:
            search.feedback(met)
        elif met:
            return True
        self.multipliers[label] = search.multiplier
        rhs = self.model.constraints[index].rhs
        spent = abs(answer.values[index + 1] - rhs) <= _SPENT * abs(rhs)
        return search.settled or (met and bool(spent))

    def _weights(self) -> Floats:
        senses = [constraint.sense for constraint in self.model.constraints]
        return weights(senses, np.array(list(self.multipliers.values())))

    def _objective(self) -> dimod.BinaryQuadraticModel:
        objective = self.problem.objective.copy()
        for weight, constraint in zip(self._weights()[1:], self.problem.constraints.values(), strict=True):
            term = constraint.lhs.copy()
            term.scale(float(weight))
            objective.update(term)
        return objective
