"""Random choices that fill a budget, for random search and for rank correlations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.errors import BudgetError

_SPREAD = (0.25, 4.0)  # bits per weight


def random_plan(task: CompressionTask, limit: float, rng: np.random.Generator) -> NDArray[np.intp]:
    """A random choice of at most `limit` stored bits, overhead included, that no single unit could extend.

    Options are drawn around the limit's average with a spread of its own for every plan (from nearly uniform plans
    to nearly arbitrary ones), then units in random order give bits up until the limit is kept, and take what is left.

    Raises:
        BudgetError: no choice meets the limit.
    """
    spread = np.exp(rng.uniform(*np.log(_SPREAD)))
    weights = np.repeat(
        [layer.weights_per_channel for layer in task.layers], [layer.units for layer in task.layers]
    ) * np.concatenate([layer.unit_channels for layer in task.layers])
    distance = (task.cost / weights[:, None] - limit / task.weights) / spread
    # Gumbel noise: argmax draws from the softmax of the negative half square.
    choice = np.argmax(-0.5 * distance**2 + rng.gumbel(size=distance.shape), axis=1)
    return fitted(task, choice, limit, rng)


def neighbour(
    task: CompressionTask, choice: NDArray[np.intp], share: float, limit: float, rng: np.random.Generator
) -> NDArray[np.intp]:
    """`choice` with about `share` of its units (at least one) redrawn among all options, fitted to `limit` again.

    Raises:
        BudgetError: no choice meets the limit.
    """
    redrawn = rng.permutation(len(choice))[: max(1, round(share * len(choice)))]
    changed = choice.copy()
    changed[redrawn] = rng.integers(task.cost.shape[1], size=len(redrawn))
    return fitted(task, changed, limit, rng)


def fitted(task: CompressionTask, choice: NDArray[np.intp], limit: float, rng: np.random.Generator) -> NDArray[np.intp]:
    """`choice` within `limit`: units in random order step down until it holds, then step up where there is room.

    Raises:
        BudgetError: no choice meets the limit.
    """
    dearest_last = np.argsort(task.cost, axis=1, kind="stable")
    cost = np.take_along_axis(task.cost, dearest_last, axis=1)
    least = task.overhead + int(cost[:, 0].sum())
    if least > limit:
        raise BudgetError(f"no choice has {limit / task.weights:.4g} stored bits per weight or fewer")
    rank = np.argmax(dearest_last == choice[:, None], axis=1)
    units = np.arange(len(choice))
    room = limit - task.overhead - int(cost[units, rank].sum())
    while room < 0:
        for unit in rng.permutation(len(choice)):
            if room >= 0:
                break
            if rank[unit]:
                room += int(cost[unit, rank[unit]] - cost[unit, rank[unit] - 1])
                rank[unit] -= 1
    last = cost.shape[1] - 1
    moved = True
    while moved:
        moved = False
        for unit in rng.permutation(len(choice)):
            step = int(cost[unit, rank[unit] + 1] - cost[unit, rank[unit]]) if rank[unit] < last else room + 1
            if step <= room:
                room -= step
                rank[unit] += 1
                moved = True
    return np.asarray(dearest_last[units, rank], np.intp)
