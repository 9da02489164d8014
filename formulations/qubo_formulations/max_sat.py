"""Max-SAT: truth values that leave the least total weight of clauses unsatisfied."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from operator import index
from typing import Any, ClassVar, Self

import dimod
import numpy as np

from qubo_dnn.constraint import Constraint
from qubo_dnn.encodings.monomials import monomial
from qubo_dnn.errors import FormulationError
from qubo_dnn.problem import Problem, Sample, Variable
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.instances import FileInstance
from qubo_formulations._shared.models import check_size

Assignment = tuple[bool, ...]
Clauses = Sequence[Sequence[int]]


class MaxSat(FileInstance):
    """Choose n truth values that satisfy all hard clauses and leave the least weight of soft clauses unsatisfied.

    Variables: `x[v]` = 1 makes variable v (from 1) true; every clause of d >= 3 literals needs (d - 1) // 2 further
    ones, see `qubo_dnn.encodings.monomials`.
    Objective: the sum of `w[c]` over unsatisfied clauses, minimised. A clause is unsatisfied if the product over its
    literals of `1 - x[v]` for v and `x[v]` for -v is 1.
    Constraints: "hard clauses", the number of unsatisfied ones is 0.

    Args:
        clauses: lists of literals, v or -v; an empty clause cannot be satisfied.
        weights: weights of the clauses, > 0; infinity marks a hard clause; None: every clause has weight 1.
        variables: n; None: the largest variable that occurs.

    Raises:
        FormulationError: n is 0, a literal is 0 or exceeds n, or a weight is not > 0.

    Source: Ishikawa 2011, "Transformation of general binary MRF minimization to the first-order case"; Boros & Hammer
        2002, "Pseudo-Boolean optimization".

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> sat = MaxSat([[1, 2], [-1], [-2]], weights=[math.inf, 3, 1])  # the first clause is hard
        >>> solve(sat.compile(), get_backend("exact")).best.value
        (False, True)
    """

    name: ClassVar[str] = "max-sat"
    summary: ClassVar[str] = "truth values that leave the least weight of clauses unsatisfied"
    formats: ClassVar[tuple[str, ...]] = ("dimacs-cnf",)
    auxiliary: ClassVar[bool] = True

    @checked
    def __init__(self, clauses: Clauses, weights: Sequence[float] | None = None, variables: int | None = None) -> None:
        try:
            self.clauses = [tuple(map(_literal, clause)) for clause in clauses]
        except TypeError as cause:
            raise FormulationError(f"clauses are not lists of literals: {cause}") from cause
        largest = max((abs(literal) for clause in self.clauses for literal in clause), default=0)
        self.variables = largest if variables is None else variables
        if self.variables < max(largest, 1):
            raise FormulationError(f"a literal is {largest}, but there are {self.variables} variables")
        if any(literal == 0 for clause in self.clauses for literal in clause):
            raise FormulationError("0 is not a literal")
        check_size(self.variables)
        try:
            self.weights = [1.0] * len(self.clauses) if weights is None else [float(weight) for weight in weights]
        except (TypeError, ValueError) as cause:
            raise FormulationError(f"weights are not numbers: {cause}") from cause
        if len(self.weights) != len(self.clauses):
            raise FormulationError(f"{len(self.clauses)} clauses, but {len(self.weights)} weights")
        if not all(weight > 0.0 for weight in self.weights):
            raise FormulationError("a weight is not greater than 0")

    @classmethod
    def example(cls, seed: int) -> Self:
        """5 variables, 9 clauses of two and three literals, one of them hard."""
        rng = np.random.default_rng(seed)
        clauses = [
            (rng.choice(5, 3 if k < 5 else 2, replace=False) + 1) * rng.choice((-1, 1), 3 if k < 5 else 2)
            for k in range(9)
        ]
        return cls([clause.tolist() for clause in clauses], [*rng.integers(1, 5, 8), math.inf], 5)

    def compile(self) -> Problem[Assignment]:
        """Compile the problem; each clause is one product of literals."""
        soft: dict[frozenset[Variable], float] = {}
        hard: dict[frozenset[Variable], float] = {}
        for clause, weight in zip(self.clauses, self.weights, strict=True):
            literals = set(clause)
            if any(-literal in literals for literal in literals):
                continue  # always satisfied
            terms, amount = (hard, 1.0) if math.isinf(weight) else (soft, weight)
            key: frozenset[Variable] = frozenset(map(_false, literals))
            terms[key] = terms.get(key, 0.0) + amount
        objective, constraints = _summed(soft, "soft clause"), {}
        if hard:
            constraints = {"hard clauses": Constraint(_summed(hard, "hard clause"), "<=", 0.0, one_sided=True)}
            objective.add_linear_from(dict.fromkeys(constraints["hard clauses"].lhs.variables, 0.0))
        objective.add_linear_from({f"x[{v}]": 0.0 for v in range(1, self.variables + 1)})
        return Problem(objective=objective, decoder=self.decode, constraints=constraints)

    def decode(self, sample: Sample) -> Assignment:
        """Return [n] truth values."""
        return tuple(bool(sample[f"x[{v}]"]) for v in range(1, self.variables + 1))

    def cost(self, value: Assignment) -> float:
        """Return the total weight of the soft clauses left unsatisfied."""
        return float(sum(weight for weight in self._unsatisfied(value) if math.isfinite(weight)))

    def is_feasible(self, value: Assignment) -> bool:
        """Return whether all hard clauses are satisfied."""
        return len(value) == self.variables and all(map(math.isfinite, self._unsatisfied(value)))

    def answers(self) -> Iterator[Assignment]:
        """Generate all assignments that satisfy the hard clauses."""
        return filter(self.is_feasible, product((False, True), repeat=self.variables))

    def _unsatisfied(self, value: Assignment) -> Iterable[float]:
        """Generate the weights of the unsatisfied clauses."""
        for clause, weight in zip(self.clauses, self.weights, strict=True):
            if not any(value[abs(literal) - 1] == (literal > 0) for literal in clause):
                yield weight


def _literal(value: Any) -> int:
    """Return a literal as an int; fractions and texts are refused, not rounded."""
    try:
        return index(value)
    except TypeError as cause:
        raise FormulationError(f"{value!r} is not a literal, an integer") from cause


def _false(literal: int) -> Variable:
    """Return a variable that is 1 if the literal is false: `x[v]`, or its complement `not x[v]`."""
    return f"not x[{literal}]" if literal > 0 else f"x[{-literal}]"


def _summed(terms: Mapping[frozenset[Variable], float], label: str) -> dimod.BinaryQuadraticModel:
    """Return the sum of products of literals as a quadratic model over variables and auxiliary ones."""
    total = dimod.BinaryQuadraticModel(dimod.BINARY)
    for number, (factors, coefficient) in enumerate(terms.items()):
        total.update(monomial(sorted(factors, key=str), coefficient, f"{label} {number}"))
    return _over_variables(total)


def _over_variables(model: dimod.BinaryQuadraticModel) -> dimod.BinaryQuadraticModel:
    """Return `model` with every `not x` replaced by `1 - x`."""
    found = dimod.BinaryQuadraticModel(dimod.BINARY)
    found.offset = float(model.offset)

    def split(variable: Variable) -> tuple[float, float, Variable]:
        """Return constant, factor and variable of `constant + factor * variable`."""
        text = str(variable)
        return (1.0, -1.0, text.removeprefix("not ")) if text.startswith("not ") else (0.0, 1.0, variable)

    for variable, bias in model.linear.items():
        constant, factor, x = split(variable)
        found.offset += bias * constant
        found.add_linear(x, bias * factor)
    for (one, other), bias in model.quadratic.items():
        (c, f, x), (d, g, y) = split(one), split(other)
        found.offset += bias * c * d
        found.add_linear(x, bias * f * d)
        found.add_linear(y, bias * c * g)
        if x == y:
            found.add_linear(x, bias * f * g)
        else:
            found.add_quadratic(x, y, bias * f * g)
    found.remove_interactions_from([pair for pair, bias in found.quadratic.items() if not bias])
    return found
