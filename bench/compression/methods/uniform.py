"""One option for the whole network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.errors import BudgetError

TOLERANCE = 0.02
"""Share of the budget by which a uniform choice may exceed it: what scales and width codes take beside the weights."""


def uniform(task: CompressionTask) -> NDArray[np.intp]:
    """The costliest option that all units together can have.

    The budget "3 bits" is met by 3-bit weights up to the few bits of their scales, so `TOLERANCE` is allowed here and
    to no other method; the table shows what is stored.

    Raises:
        BudgetError: no option fits.
    """
    stored = task.overhead + task.cost.sum(axis=0)
    fitting = np.flatnonzero(stored <= (1.0 + TOLERANCE) * task.limit)
    if not fitting.size:
        raise BudgetError(f"no option for all units fits {task.limit / task.weights:.4g} stored bits per weight")
    return np.full(len(task.cost), fitting[np.argmax(stored[fitting])], np.intp)
