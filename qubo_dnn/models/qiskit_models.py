"""Problems from quadratic programs of qiskit-optimization, and answers as its results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qubo_dnn.models.programs import Bounded, Program, Relation, Terms
from qubo_dnn.problem import Decoded, Problem, Variable

if TYPE_CHECKING:
    from qiskit_optimization import QuadraticProgram
    from qiskit_optimization.algorithms import OptimizationResult


def problem_from_quadratic_program(
    program: QuadraticProgram, integers: str = "binary"
) -> Problem[dict[Variable, int | float]]:
    """Make a problem from a quadratic program, in its sense and with its constraints.

    Args:
        program: it is not changed.
        integers: name of the encoding of integers, see `qubo_dnn.encodings.names`.

    Returns:
        A problem whose answers are the values of the variables by name. Variables with a single value are constants.

    Raises:
        UnsupportedProblemError: a variable is continuous and its bounds do not fix it, or an integer has no bounds.
        FormulationError: a coefficient is not finite, or the bounds of a variable leave no value.

    Example:
        >>> from qiskit_optimization import QuadraticProgram
        >>> program = QuadraticProgram()
        >>> n = program.integer_var(0, 3, "n")
        >>> program.maximize(linear={"n": 2}, constant=1)
        >>> problem_from_quadratic_program(program).decode({"n[0]": 1, "n[1]": 1}).objective
        7.0
    """
    names = [each.name for each in program.variables]
    objective = program.objective
    made = Program(
        library="quadratic program",
        sense="min" if objective.sense.value > 0 else "max",
        variables={
            each.name: Bounded(each.vartype.name.lower(), float(each.lowerbound), float(each.upperbound))
            for each in program.variables
        },
        objective={(): objective.constant, **_terms(names, objective)},
        relations=[
            Relation(each.name, _terms(names, each), each.sense.label, float(each.rhs))
            for each in (*program.linear_constraints, *program.quadratic_constraints)
        ],
    )
    return made.problem(integers, OptimizationResults(tuple(program.variables)))


@dataclass(frozen=True, eq=False)
class OptimizationResults:
    """Makes the result of qiskit-optimization from answers.

    Attributes:
        variables: variables of the quadratic program.

    Example:
        >>> from qiskit_optimization import QuadraticProgram
        >>> variable = QuadraticProgram().binary_var("x")
        >>> OptimizationResults((variable,))([Decoded({"x": 1}, objective=2.0)])
        <OptimizationResult: fval=2.0, x=1.0, status=SUCCESS>
    """

    variables: tuple[Any, ...]

    def __call__(self, answers: Sequence[Decoded[Any]]) -> OptimizationResult:
        """Return the result of the first answer, with all of them as samples of equal probability."""
        from qiskit_optimization.algorithms import OptimizationResult, OptimizationResultStatus, SolutionSample

        samples = [
            SolutionSample(
                x=np.array([float(each.value[variable.name]) for variable in self.variables]),
                fval=each.objective,
                probability=1.0 / len(answers),
                status=OptimizationResultStatus.SUCCESS if each.feasible else OptimizationResultStatus.INFEASIBLE,
            )
            for each in answers
        ]
        best = samples[0]
        return OptimizationResult(
            x=best.x, fval=best.fval, variables=list(self.variables), status=best.status, samples=samples
        )


def _terms(names: Sequence[str], expression: Any) -> Terms:
    """Return the terms of an objective or a constraint."""
    terms: dict[tuple[Variable, ...], float] = {
        (names[i],): float(value) for i, value in expression.linear.to_dict().items()
    }
    quadratic = getattr(expression, "quadratic", None)
    if quadratic is not None:
        terms |= {(names[i], names[j]): float(value) for (i, j), value in quadratic.to_dict().items()}
    return terms
