"""Backends as an optimization algorithm of qiskit-optimization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qubo_dnn.adapters.answering import answer
from qubo_dnn.backend import Backend
from qubo_dnn.errors import QuboDnnError
from qubo_dnn.models.qiskit_models import problem_from_quadratic_program
from qubo_dnn.support.extras import require

if TYPE_CHECKING:
    from qiskit_optimization import QuadraticProgram
    from qiskit_optimization.algorithms import OptimizationAlgorithm, OptimizationResult

    from qubo_dnn.problem import Problem
else:
    OptimizationAlgorithm = require("qiskit_optimization.algorithms", "qiskit").OptimizationAlgorithm


class QuboDnnOptimizer(OptimizationAlgorithm):
    """Solves quadratic programs with any backend; constraints and integers need no converter.

    It also serves inside other algorithms, such as `RecursiveMinimumEigenOptimizer`, which learns correlations from
    the samples of the result: ask for several by `num_solutions`.

    Args:
        backend: a backend or its name.
        integers: name of the encoding of integers, see `qubo_dnn.encodings.names`.
        **options: options of the backend, such as `seed` and `time_limit`, and those of `qubo_dnn.adapters.answering`.

    Example:
        >>> from qiskit_optimization import QuadraticProgram
        >>> program = QuadraticProgram()
        >>> x, y = program.binary_var("x"), program.binary_var("y")
        >>> row = program.linear_constraint({"x": 1, "y": 1}, "<=", 1)
        >>> program.maximize(linear={"x": 2, "y": 3})
        >>> QuboDnnOptimizer("exact").solve(program)
        <OptimizationResult: fval=3.0, x=0.0, y=1.0, status=SUCCESS>
    """

    def __init__(self, backend: Backend | str = "pt", *, integers: str = "binary", **options: Any) -> None:
        self.backend, self.integers, self.options = backend, integers, options

    def get_compatibility_msg(self, problem: QuadraticProgram) -> str:
        """Return why a program cannot be solved, such as a continuous variable; "" if it can."""
        try:
            self._problem(problem)
        except QuboDnnError as cause:
            return str(cause)
        return ""

    def solve(self, problem: QuadraticProgram) -> OptimizationResult:
        """Solve a program.

        Args:
            problem: it is not changed.

        Returns:
            The best answer, and up to `num_solutions` as samples; `raw_results` is the `Solution`.

        Raises:
            QiskitOptimizationError: the program is not compatible.
            QuboDnnError: the backend refuses an option or fails.
        """
        from qiskit_optimization import QiskitOptimizationError
        from qiskit_optimization.algorithms import OptimizationResult

        try:
            made = self._problem(problem)
        except QuboDnnError as cause:
            raise QiskitOptimizationError(f"Incompatible problem: {cause}") from cause
        solution = answer(made, self.backend, self.options)
        found = solution.native()
        return OptimizationResult(
            x=found.x,
            fval=found.fval,
            variables=found.variables,
            status=found.status,
            raw_results=solution,
            samples=found.samples,
        )

    def _problem(self, program: QuadraticProgram) -> Problem[Any]:
        return problem_from_quadratic_program(program, self.integers)
