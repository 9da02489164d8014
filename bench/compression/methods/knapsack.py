"""Separable objectives under one budget: the multiple-choice knapsack, solved to optimality by HiGHS."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.errors import BackendFailedError

# HiGHS stops at an absolute gap of 1e-6, which scipy does not let one change: the objective is scaled well above it.
_SCALE = 1e4


@dataclass(frozen=True, eq=False)
class Packing:
    """A knapsack's answer.

    Attributes:
        choice: [U] option index of every unit.
        damage: its sum of damages.
        bound: proven lower bound of any choice's sum.
        optimal: HiGHS proved the choice optimal, within its tolerances; otherwise it ran out of time.
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
        return f"HiGHS {'optimal' if self.optimal else 'stopped at its time limit'}, gap {self.gap:.1e}"


def knapsack(task: CompressionTask, damage: NDArray[np.float64], time_limit: float = 120.0) -> Packing:
    """Minimise sum_u damage[u, choice[u]] subject to the task's limit of stored bits.

    Args:
        task: gives cost and limit.
        damage: [U, K], finite.
        time_limit: seconds.

    Raises:
        BudgetError: no choice meets the limit.
        BackendFailedError: HiGHS found no answer in time.
    """
    task.check_reachable()
    return pack(task.cost, damage, float(task.limit - task.overhead), time_limit)


def pack(cost: NDArray[np.int64], damage: NDArray[np.float64], limit: float, time_limit: float = 120.0) -> Packing:
    """`knapsack` without a network.

    Args:
        cost: [U, K] of every option of every unit.
        damage: [U, K], finite.
        limit: of the sum of costs.
        time_limit: seconds.

    Raises:
        BackendFailedError: HiGHS found no answer in time, or there is none.
    """
    started = time.perf_counter()
    units, options = cost.shape
    # What a unit loses at its best option is lost by every choice.
    relative = damage - damage.min(axis=1, keepdims=True)
    spread = float(np.median(relative.max(axis=1))) * units or 1.0
    objective = relative.ravel() * (_SCALE / spread)
    one_hot = sparse.kron(sparse.eye(units), np.ones((1, options)), format="csr")
    constraints = [
        LinearConstraint(one_hot, 1.0, 1.0),
        LinearConstraint(cost.reshape(1, -1).astype(float), -np.inf, limit),
    ]
    answer = milp(
        objective,
        integrality=np.ones(units * options),
        bounds=Bounds(0.0, 1.0),
        constraints=constraints,
        options={"time_limit": time_limit, "mip_rel_gap": 0.0},
    )
    if answer.x is None:
        raise BackendFailedError(f"HiGHS found no choice in {time_limit:g} s: {answer.message}")
    choice = np.argmax(answer.x.reshape(units, options), axis=1)
    found = float(damage[np.arange(units), choice].sum())
    bound = float(answer.mip_dual_bound) * spread / _SCALE + float(damage.min(axis=1).sum())
    gap = max(0.0, found - bound) / abs(found) if found else 0.0
    return Packing(choice, found, bound, answer.status == 0, gap, time.perf_counter() - started)
