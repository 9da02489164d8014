"""The answer to a problem, and the calls of the backend that led to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import dimod

from qubo_dnn.problem import Decoded, Variable

T = TypeVar("T")


@dataclass(frozen=True)
class BackendCall:
    """One call of the backend.

    Attributes:
        number: from 1.
        multipliers: relaxed inequality -> its weight, 0.0 where it does not bind.
        penalties: smallest and largest one-hot penalty, None where groups are kept natively.
        weights: penalised constraint -> weight of its penalty model.
        broken: one-hot groups and penalised constraints that the row of least energy broke.
        presolve: what it fixed and took apart, see `qubo_dnn.presolve.reduction.Reduction.summary`; empty without.
        objective: best feasible objective so far, in the problem's sense; None while there is none.
        seconds: wall-clock seconds of this call.
    """

    number: int
    multipliers: Mapping[str, float]
    penalties: tuple[float, float] | None
    weights: Mapping[str, float]
    broken: tuple[str, ...]
    presolve: Mapping[str, int]
    objective: float | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Solution(Generic[T]):
    """The best answer found, in the user's terms.

    Attributes:
        best: decoded; `best.violations` says what an infeasible answer breaks.
        candidates: the best answers of all calls, all of them feasible and no two the same state, `best` first;
            as many as were asked for or found. `best` alone where nothing feasible was found.
        sample: the variables' values that `best` was decoded from.
        repaired: `sample` is not the row as the backend returned it: groups or a budget were mended, or the rest
            of a budget was spent.
        sampleset: what the backend returned in the call that led to `best`, with variables of slack.
        backend, seed: with them and equal options the answer is found again.
        calls: one entry per call of the backend.
        interrupted: Ctrl-C ended the search early; `best` is the best until then.
        failed: what broke the backend off in the call after the last of `calls`, or None.
        seconds: wall-clock seconds of the search.
    """

    best: Decoded[T]
    candidates: tuple[Decoded[T], ...]
    sample: Mapping[Variable, int]
    repaired: bool
    sampleset: dimod.SampleSet
    backend: str
    seed: int | None
    calls: tuple[BackendCall, ...]
    interrupted: bool
    failed: str | None
    seconds: float
