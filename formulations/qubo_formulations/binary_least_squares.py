"""Binary least squares: the bit vector x for which A x is closest to a target b."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import ClassVar, Self

import numpy as np

from qubo_dnn.problem import Problem, Sample
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.arrays import Matrix, Vector, as_array
from qubo_formulations._shared.models import from_arrays

Bits = tuple[int, ...]


class BinaryLeastSquares:
    """Find the bits x that minimise `|A x - b|^2`.

    Variables: `x[i]`, one per column of A.
    Objective: `x' A'A x - 2 b'A x + b'b`, minimised.
    Constraints: none.

    Args:
        matrix: [m, n] the matrix A.
        target: [m] the target b.

    Raises:
        FormulationError: the arrays do not fit together or are not finite.

    Source: O'Malley & Vesselinov 2016, "ToQ.jl: a high-level programming language for D-Wave machines based on Julia".

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> problem = BinaryLeastSquares(matrix=[[1, 2, 0], [0, 1, 3]], target=[2, 4]).compile()
        >>> solve(problem, get_backend("exact")).best.value
        (0, 1, 1)
    """

    name: ClassVar[str] = "binary-least-squares"
    summary: ClassVar[str] = "bits x with A x closest to a target b"

    @checked
    def __init__(self, matrix: Matrix, target: Vector) -> None:
        self.matrix = as_array(matrix, "matrix", (None, None))
        self.target = as_array(target, "target", (len(self.matrix),))

    @classmethod
    def example(cls, seed: int) -> Self:
        """8 bits seen through 6 noisy sums."""
        rng = np.random.default_rng(seed)
        matrix = rng.normal(size=(6, 8))
        return cls(matrix, matrix @ rng.integers(0, 2, 8) + 0.3 * rng.normal(size=6))

    def compile(self) -> Problem[Bits]:
        """Compile the problem; it has n (n - 1) / 2 interactions and is built from arrays."""
        gram = self.matrix.T @ self.matrix
        rows, columns = np.triu_indices(len(gram), 1)
        objective = from_arrays(
            [f"x[{i}]" for i in range(len(gram))],
            np.diag(gram) - 2.0 * self.target @ self.matrix,
            rows,
            columns,
            2.0 * gram[rows, columns],
            float(self.target @ self.target),
        )
        return Problem(objective=objective, decoder=self.decode)

    def decode(self, sample: Sample) -> Bits:
        """Return the bits, [n]."""
        return tuple(int(sample[f"x[{i}]"]) for i in range(self.matrix.shape[1]))

    def cost(self, value: Bits) -> float:
        """Return the squared distance between A x and the target."""
        return float(np.square(self.matrix @ np.array(value) - self.target).sum())

    def is_feasible(self, value: Bits) -> bool:
        """Return whether `value` is n bits."""
        return len(value) == self.matrix.shape[1] and set(value) <= {0, 1}

    def answers(self) -> Iterator[Bits]:
        """Generate all bit vectors of length n."""
        return product((0, 1), repeat=self.matrix.shape[1])
