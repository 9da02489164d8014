"""A problem small enough to follow by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dimod
import pytest

from qubo_dnn.constraint import Constraint, Sense
from qubo_dnn.problem import Problem

Choices = Callable[..., Problem[Any]]


@pytest.fixture
def choices() -> Choices:
    """Units that each choose one of three options: cheap but bad, medium, or dear but good.

    The objective of unit u (from 1) is u times 9, 4 or 0, and the options cost 0, 1 or 3.
    """

    def make(units: int, sense: Sense = "<=", rhs: float | None = None) -> Problem[Any]:
        labels = [[f"x[{u}][{k}]" for k in range(3)] for u in range(units)]
        losses = {v: (u + 1.0) * loss for u, row in enumerate(labels) for v, loss in zip(row, (9, 4, 0), strict=True)}
        costs = {v: float(cost) for row in labels for v, cost in zip(row, (0, 1, 3), strict=True)}
        budget = dimod.BinaryQuadraticModel(costs, {}, 0.0, dimod.BINARY)
        return Problem(
            objective=dimod.BinaryQuadraticModel(losses, {}, 0.0, dimod.BINARY),
            decoder=dict,
            one_hot={f"unit {u}": tuple(row) for u, row in enumerate(labels)},
            constraints={} if rhs is None else {"budget": Constraint(budget, sense, rhs)},
        )

    return make
