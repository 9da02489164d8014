"""Greedy by sensitivity: bits are taken where they are missed least."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.task import CompressionTask


def greedy(task: CompressionTask, damage: NDArray[np.float64]) -> NDArray[np.intp]:
    """Start every unit at its costliest option; until the budget is met, take the move of least loss per bit saved.

    A move takes unit u from its option k to any cheaper one k'; its price is (damage[u,k'] - damage[u,k]) /
    (cost[u,k] - cost[u,k']). Units are independent of each other (a separable model).

    Args:
        task: gives cost and limit.
        damage: [U, K] loss increase of a unit at an option.

    Raises:
        BudgetError: no choice meets the limit.

    Source: the usual greedy bit allocation, as for example in Chen et al. 2021 (arXiv 2110.06554), section 3.3.
    """
    task.check_reachable()
    choice: NDArray[np.intp] = np.argmax(task.cost, axis=1)
    excess = task.overhead + int(task.cost[np.arange(len(choice)), choice].sum()) - task.limit
    first = (_cheapest(task.cost[unit], damage[unit], choice[unit], unit) for unit in range(len(choice)))
    moves = [move for move in first if move]
    heapq.heapify(moves)
    while excess > 0:
        _, unit, option = heapq.heappop(moves)
        excess -= int(task.cost[unit, choice[unit]] - task.cost[unit, option])
        choice[unit] = option
        if following := _cheapest(task.cost[unit], damage[unit], option, unit):
            heapq.heappush(moves, following)
    return choice


def _cheapest(
    cost: NDArray[np.int64], damage: NDArray[np.float64], current: int, unit: int
) -> tuple[float, int, int] | None:
    """(price, unit, option) of the best move of a unit; None at its cheapest option."""
    cheaper = np.flatnonzero(cost < cost[current])
    if not cheaper.size:
        return None
    price = (damage[cheaper] - damage[current]) / (cost[current] - cost[cheaper])
    best = int(np.argmin(price))
    return float(price[best]), unit, int(cheaper[best])
