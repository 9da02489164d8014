"""The best different answers of all backend calls, repaired."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import dimod
import numpy as np

from qubo_dnn.constraints.relaxation import RelaxedProblem
from qubo_dnn.constraints.repair import exchange, repair
from qubo_dnn.local_search import Bits, LocalState
from qubo_dnn.problem import Problem, Sample

REPAIRED_ROWS = 8


@dataclass(frozen=True, eq=False)
class Candidate:
    """One answer.

    Attributes:
        x: [n] the state, 0 or 1.
        sampleset: sample set that contained it; None for a known start and what local moves made of it.
        repaired: True if it is not the row that the backend returned.
        violation: see `LocalModel.violation`; 0.0 if the state is feasible.
        objective: objective without penalties, to be minimised.

    Example:
        >>> found = dimod.SampleSet.from_samples([[0, 1]], "BINARY", energy=[3.0])
        >>> Candidate(np.array([0, 1], np.int8), found, repaired=False, violation=0.0, objective=3.0).rank()
        (0.0, 3.0, False)
    """

    x: Bits
    sampleset: dimod.SampleSet | None
    repaired: bool
    violation: float
    objective: float

    def rank(self) -> tuple[float, float, bool]:
        """Return the sort key: feasible states first, then lower objectives, then what a backend found."""
        return self.violation, self.objective, self.sampleset is None


class Pool:
    """The best different states of all backend calls.

    Args:
        keep: largest number of states.
        deadline: `time.perf_counter()` after which only the best row of a call is repaired.
        grace: seconds for which rows within quadratic constraints may be improved even after the deadline, since a
            backend may count neither its setup nor its last step.

    Attributes:
        candidates: the states, best first.
        answer: the best state from a row of the backend; None before its first row.

    Example:
        >>> from qubo_dnn.registry import get_backend, get_formulation
        >>> tabu, pool = get_backend("tabu"), Pool(keep=2, deadline=float("inf"))
        >>> knapsack = get_formulation("knapsack")([4, 3, 2], [3, 2, 2], 4).compile()
        >>> relaxation = RelaxedProblem(knapsack, tabu.capabilities)
        >>> pool.add(relaxation, relaxation.sample(tabu, tabu.options_type(seed=1)))
        >>> pool.best.x.tolist(), pool.best.violation
        ([0, 1, 1], 0.0)
    """

    def __init__(self, keep: int, deadline: float, grace: float = 0.0) -> None:
        self.candidates: list[Candidate] = []
        self.answer: Candidate | None = None
        self._keep, self._deadline, self._grace = keep, deadline, grace

    @property
    def best(self) -> Candidate:
        return self.candidates[0]

    @property
    def kept(self) -> list[Candidate]:
        """The feasible states, or the least infeasible one if none is feasible."""
        return [each for each in self.candidates if each.violation == 0.0] or self.candidates[:1]

    def begin(self, relaxation: RelaxedProblem, start: Sample, deadline: float) -> None:
        """Add a known state of the original variables, improved as rows are, until `deadline`."""
        row = np.array([start[variable] for variable in relaxation.original.variables], np.int8)
        self._add_row(relaxation, None, row, deadline)

    def add(self, relaxation: RelaxedProblem, sampleset: dimod.SampleSet) -> None:
        """Add the best rows of a sample set, repaired if a constraint is relaxed, and improved within quadratic ones.

        Moves of single sites, which most searches make, are often too few to change what products allow.
        """
        looked_at = max(self._keep, REPAIRED_ROWS if relaxation.original.constraints else 1)
        rows = different_rows(relaxation.original, sampleset)[:looked_at]
        for index, row in enumerate(rows):
            if index and time.perf_counter() >= self._deadline:
                break
            deadline = self._deadline
            if relaxation.improved:
                deadline = max(deadline, time.perf_counter() + self._grace)
            self._add_row(relaxation, sampleset, row, deadline)

    def _add_row(
        self, relaxation: RelaxedProblem, sampleset: dimod.SampleSet | None, row: Bits, deadline: float
    ) -> None:
        state = LocalState(relaxation.model, _settled(relaxation.original, row))
        if relaxation.relaxed or relaxation.improved:
            repair(state, deadline)
            # Exchanges lead many rows to the same state, so that what they start from is a candidate too.
            self._offer(relaxation, sampleset, row, state)
            exchange(state, deadline)
        self._offer(relaxation, sampleset, row, state)

    def _offer(
        self, relaxation: RelaxedProblem, sampleset: dimod.SampleSet | None, row: Bits, state: LocalState
    ) -> None:
        """Insert a state that came from a row, with the best values of the auxiliary variables."""
        problem = relaxation.original
        state.go_to(_settled(problem, state.x))
        objective = float(state.values[0])
        if (form := problem.low_rank) is not None:
            objective += form.energy(dict(zip(problem.variables, state.x.tolist(), strict=True)))
        x = state.x.copy()
        repaired = sampleset is None or not np.array_equal(x, row)
        self._insert(Candidate(x, sampleset, repaired, state.violation, objective))

    def _insert(self, candidate: Candidate) -> None:
        if candidate.sampleset is not None and (self.answer is None or candidate.rank() < self.answer.rank()):
            self.answer = candidate
        same = [known for known in self.candidates if np.array_equal(candidate.x, known.x)]
        # A start that a backend finds, too, counts as found by it.
        if same and (candidate.sampleset is None or same[0].sampleset is not None):
            return
        others = [known for known in self.candidates if known not in same]
        # Assigned in one step, so that an interrupt leaves a complete list.
        self.candidates = sorted([*others, candidate], key=Candidate.rank)[: self._keep]


def _settled(problem: Problem[Any], row: Bits) -> Bits:
    """Return the row with the best values of the auxiliary variables."""
    if not problem.auxiliaries:
        return row
    settled = problem.settled(dict(zip(problem.variables, row.tolist(), strict=True)))
    return np.array([settled[variable] for variable in problem.variables], np.int8)


def different_rows(problem: Problem[Any], sampleset: dimod.SampleSet) -> list[Bits]:
    """Return the different rows of a sample set by increasing energy, with the problem's variables in its order.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> rows = [dict(zip(knapsack.variables, row)) for row in ([1, 0, 0], [0, 1, 1], [1, 0, 0])]
        >>> [row.tolist() for row in different_rows(knapsack, dimod.SampleSet.from_samples(rows, "BINARY", [2, 1, 2]))]
        [[0, 1, 1], [1, 0, 0]]
    """
    place = {variable: index for index, variable in enumerate(sampleset.variables)}
    columns = np.array([place[variable] for variable in problem.variables], np.intp)
    order = np.argsort(sampleset.record.energy, kind="stable")
    rows = np.asarray(sampleset.record.sample[order][:, columns], dtype=np.int8)
    different: dict[bytes, Bits] = {}
    for row in rows:
        different.setdefault(row.tobytes(), row)
    return list(different.values())
