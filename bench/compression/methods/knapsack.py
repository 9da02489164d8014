"""Separable objectives under one budget: the multiple-choice knapsack, as `compress` solves it without a backend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.processes import timed
from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.constraints import separable
from qubo_dnn.errors import BackendFailedError


@dataclass(frozen=True, eq=False)
class Packing:
    """A knapsack's answer.

    Attributes:
        choice: [U] option index of every unit.
        damage: its sum of damages.
        bound: proven lower bound of any choice's sum.
        optimal: whether the choice is proven to be optimal.
        gap: (damage - bound) / damage, 0 where both are equal.
        seconds: wall-clock.
    """

    choice: NDArray[np.intp]
    damage: float
    bound: float
    optimal: bool
    gap: float
    seconds: float

    def __str__(self) -> str:
        return f"{'optimal' if self.optimal else 'not proven optimal'}, gap {self.gap:.1e}"


def knapsack(task: CompressionTask, damage: NDArray[np.float64]) -> Packing:
    """Minimise sum_u damage[u, choice[u]] subject to the task's limit of stored bits.

    Args:
        task: gives cost and limit.
        damage: [U, K], finite.

    Raises:
        BudgetError: no choice meets the limit.
        BackendFailedError: no answer was found.
    """
    task.check_reachable()
    return pack(task.cost, damage, float(task.limit - task.overhead))


def pack(cost: NDArray[np.int64], damage: NDArray[np.float64], limit: float) -> Packing:
    """`knapsack` without a network.

    Args:
        cost: [U, K] of every option of every unit.
        damage: [U, K], finite.
        limit: of the sum of costs.

    Raises:
        BackendFailedError: no answer was found.
    """
    units, options = cost.shape
    starts = np.arange(0, units * options + 1, options)
    found, seconds = timed(separable.pack, damage.ravel(), starts, cost.reshape(1, -1).astype(float), np.array([limit]))
    if not len(found.choices):
        raise BackendFailedError(f"no choice found within {limit:g}")
    value = float(found.values[0])
    gap = max(0.0, value - found.bound) / abs(value) if value else 0.0
    return Packing(found.choices[0].astype(np.intp), value, found.bound, found.optimal, gap, seconds)
