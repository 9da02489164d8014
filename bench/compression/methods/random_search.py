"""Random search: the best of many random plans, each judged by a true forward pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bench.compression.methods.random_plans import random_plan
from qubo_dnn.compression.task.task import CompressionTask


def random_search(
    task: CompressionTask, divergence: Callable[[NDArray[np.intp]], float], plans: int, seed: int
) -> NDArray[np.intp]:
    """The plan of least divergence among `plans` random ones that fill the budget.

    Args:
        task: gives cost and limit.
        divergence: of a choice's network from the original one, on the images that other methods measure on.
        plans: how many are tried, >= 1; each costs one forward pass over the images.
        seed: of the draw.

    Raises:
        BudgetError: no choice meets the limit.
    """
    rng = np.random.default_rng(seed)
    return min((random_plan(task, task.limit, rng) for _ in range(plans)), key=divergence)
