"""What a backend is asked in place of a problem it cannot take whole, sharpened by its own answers."""

from __future__ import annotations

from typing import Any, cast

import dimod
import numpy as np

from qubo_dnn.backend import Backend, Capabilities, ConstrainedBackend, SolveOptions
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
    """The relaxed problem: native constraints kept, groups as penalties, an inequality as a linear term.

    The first multiplier and the first penalties come from a local descent, so that a backend (which may be
    slow, or charge by the call) is asked a few times only.

    Args:
        problem: to be relaxed as far as needed.
        capabilities: of the backend that will be asked.

    Attributes:
        model: the problem's arrays.
        multiplier: weight >= 0 of the inequality, 0.0 where there is none or it does not bind.
        penalties: one-hot group -> weight; empty where the backend keeps groups natively.
        relaxed: whether anything is, so that rows may break the problem's constraints.
        settled: the backend need not be asked again.

    Raises:
        UnsupportedProblemError: the constraints can neither be kept by the backend nor relaxed.
    """

    def __init__(self, problem: Problem[Any], capabilities: Capabilities) -> None:
        native = capabilities.native_constraints
        self.problem = problem
        self.model = LocalModel(problem)
        self.multiplier = 0.0
        self.penalties: dict[str, float] = {}
        self.relaxed = not problem.constraint_kinds <= native
        self.settled = not self.relaxed
        self._search: MultiplierSearch | None = None
        if not self.relaxed:
            return
        start = LocalState(self.model, np.zeros(len(self.model.variables), np.int8))
        if problem.constraints:
            check_relaxable([constraint.sense for constraint in self.model.constraints])
            self.multiplier = bisect_locally(start)
            self._search = MultiplierSearch(self.multiplier or typical_price(start), _GROWTH)
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

    def learn(self, x: Bits) -> int:
        """Adjust multiplier and penalties to the backend's best row.

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
        if self._search is not None:
            self.settled &= self._learn_multiplier(self._search, LocalState(self.model, x))
        return len(broken)

    def _learn_multiplier(self, search: MultiplierSearch, answer: LocalState) -> bool:
        """Adjust the multiplier; whether the one that led to `answer` is good enough."""
        met = answer.violation == 0.0
        if self.multiplier > 0.0:
            search.feedback(met)
        elif met:
            return True
        self.multiplier = search.multiplier
        rhs = self.model.constraints[0].rhs
        spent = abs(answer.values[1] - rhs) <= _SPENT * abs(rhs)
        return search.settled or (met and bool(spent))

    def _weights(self) -> Floats:
        if not self.model.constraints:
            return np.ones(1)
        return weights(self.model.constraints[0].sense, self.multiplier)

    def _objective(self) -> dimod.BinaryQuadraticModel:
        objective = self.problem.objective.copy()
        for weight, constraint in zip(self._weights()[1:], self.problem.constraints.values(), strict=True):
            term = constraint.lhs.copy()
            term.scale(float(weight))
            objective.update(term)
        return objective
