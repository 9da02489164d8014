"""The best answers of all rounds, repaired and each of them once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import dimod
import numpy as np

from qubo_dnn.constraints.relaxation import RelaxedProblem
from qubo_dnn.constraints.repair import repair
from qubo_dnn.local_search import Bits, LocalState
from qubo_dnn.problem import Problem

REPAIRED_ROWS = 8


@dataclass(frozen=True)
class Candidate:
    """One answer.

    Attributes:
        x: [n] the state, 0 or 1.
        sampleset: what the backend returned it in.
        repaired: it is not the row as the backend returned it.
        violation: see `LocalModel.violation`; 0.0 where it is feasible.
        objective: penalty-free.
    """

    x: Bits
    sampleset: dimod.SampleSet
    repaired: bool
    violation: float
    objective: float

    def rank(self) -> tuple[float, float]:
        """Sorts feasible ones first, and better ones ahead."""
        return self.violation, self.objective


class Pool:
    """The best different states of all rounds, at most `keep` of them.

    Args:
        keep: how many.
        deadline: `time.perf_counter()` after which only the best row of a round is repaired.

    Attributes:
        candidates: best first.
    """

    def __init__(self, keep: int, deadline: float) -> None:
        self.candidates: list[Candidate] = []
        self._keep, self._deadline = keep, deadline

    @property
    def best(self) -> Candidate:
        return self.candidates[0]

    @property
    def kept(self) -> list[Candidate]:
        """The feasible ones, or else the least infeasible one."""
        return [each for each in self.candidates if each.violation == 0.0] or self.candidates[:1]

    def add(self, relaxation: RelaxedProblem, sampleset: dimod.SampleSet) -> None:
        """Take in the best rows, repaired where anything was relaxed."""
        looked_at = max(self._keep, REPAIRED_ROWS if relaxation.original.constraints else 1)
        rows = different_rows(relaxation.original, sampleset)[:looked_at]
        for index, row in enumerate(rows):
            if index and time.perf_counter() >= self._deadline:
                break
            state = LocalState(relaxation.model, _settled(relaxation.original, row))
            if relaxation.relaxed:
                repair(state, self._deadline)
                state.go_to(_settled(relaxation.original, state.x))
            changed = not np.array_equal(state.x, row)
            objective = float(state.values[0])
            if (form := relaxation.original.low_rank) is not None:
                objective += form.energy(dict(zip(relaxation.original.variables, state.x.tolist(), strict=True)))
            self._insert(Candidate(state.x, sampleset, changed, state.violation, objective))

    def _insert(self, candidate: Candidate) -> None:
        if any(np.array_equal(candidate.x, known.x) for known in self.candidates):
            return
        # One new list at a time, so that an interrupt leaves a whole one.
        self.candidates = sorted([*self.candidates, candidate], key=Candidate.rank)[: self._keep]


def _settled(problem: Problem[Any], row: Bits) -> Bits:
    """The row with auxiliary variables at their best."""
    if not problem.auxiliaries:
        return row
    settled = problem.settled(dict(zip(problem.variables, row.tolist(), strict=True)))
    return np.array([settled[variable] for variable in problem.variables], np.int8)


def different_rows(problem: Problem[Any], sampleset: dimod.SampleSet) -> list[Bits]:
    """Rows over the problem's variables, in its order and each once, the least energy first."""
    place = {variable: index for index, variable in enumerate(sampleset.variables)}
    columns = np.array([place[variable] for variable in problem.variables], np.intp)
    order = np.argsort(sampleset.record.energy, kind="stable")
    rows = np.asarray(sampleset.record.sample[order][:, columns], dtype=np.int8)
    different: dict[bytes, Bits] = {}
    for row in rows:
        different.setdefault(row.tobytes(), row)
    return list(different.values())
