"""The solution of a problem, with a record of the backend calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import dimod

from qubo_dnn.problem import Decoded, Native

T = TypeVar("T")


@dataclass(frozen=True)
class BackendCall:
    """Record of one backend call.

    Attributes:
        number: number of the call, from 1.
        multipliers: relaxed inequality -> its multiplier; 0.0 if it does not bind.
        penalties: smallest and largest one-hot penalty; None if the backend keeps groups natively.
        weights: penalised constraint -> weight of its penalty model.
        broken: one-hot groups and penalised constraints that the row of least energy breaks.
        presolve: figures of the presolve, see `qubo_dnn.presolve.reduction.Reduction.summary`; empty without presolve.
        objective: best feasible objective so far, in the problem's sense; None if no answer is feasible yet.
        seconds: wall-clock seconds of this call.

    Example:
        >>> call = BackendCall(number=1, objective=5.0, seconds=0.01, multipliers={"capacity": 1.5})
        >>> call.multipliers["capacity"]
        1.5
    """

    number: int
    objective: float | None
    seconds: float
    multipliers: Mapping[str, float] = field(default_factory=dict)
    penalties: tuple[float, float] | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
    presolve: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Solution(Generic[T]):
    """The best answer of a search, in the user's terms.

    Attributes:
        best: the decoded answer; `best.violations` lists the constraints that an infeasible answer breaks.
        candidates: the best different feasible states of all calls, `best` first, at most `num_solutions`. Only `best`
            if no answer is feasible.
        sample: values of the variables that `best` was decoded from.
        repaired: True if `sample` is not the row that the backend returned, because broken constraints were repaired or
            an unused rest of a budget was spent.
        sampleset: sample set of the call that led to `best`, including slack variables.
        backend, seed: name of the backend and seed; with equal options they reproduce the answer.
        calls: one entry per call of the backend.
        interrupted: True if Ctrl-C ended the search early; `best` is then the best answer so far.
        failed: error message of the call after the last of `calls`, or None.
        seconds: wall-clock seconds of the search.
        convert: see `Problem.native`.

    Example:
        >>> from qubo_dnn.registry import get_backend, get_formulation
        >>> from qubo_dnn.solving.solve import solve
        >>> problem = get_formulation("max-cut").example(0).compile()
        >>> solution = solve(problem, get_backend("tabu"), {"seed": 1})
        >>> solution.best.feasible, solution.seed, len(solution.calls)
        (True, 1, 1)
    """

    best: Decoded[T]
    candidates: tuple[Decoded[T], ...]
    sample: Mapping[Any, int]
    repaired: bool
    sampleset: dimod.SampleSet
    backend: str
    seed: int | None
    calls: tuple[BackendCall, ...]
    interrupted: bool
    failed: str | None
    seconds: float
    convert: Native | None = field(default=None, compare=False, repr=False)

    def native(self) -> Any:
        """Return the candidates as a result of the library that the model comes from.

        Returns:
            A `dimod.SampleSet` for models of dimod, an `OptimizationResult` for a `QuadraticProgram`, docplex's
            `SolveSolution` of the best answer, OMMX's `SampleSet`, an array [candidates, n] for a matrix. For all
            others, the list of the candidates' values.

        Example:
            >>> import dimod
            >>> from qubo_dnn.models.dimod_models import problem_from_bqm
            >>> from qubo_dnn.registry import get_backend
            >>> from qubo_dnn.solving.solve import solve
            >>> bqm = dimod.BinaryQuadraticModel({"a": 1.0}, {}, 0.0, "SPIN")
            >>> float(solve(problem_from_bqm(bqm), get_backend("exact")).native().first.energy)
            -1.0
        """
        if self.convert is None:
            return [each.value for each in self.candidates]
        return self.convert(self.candidates)
