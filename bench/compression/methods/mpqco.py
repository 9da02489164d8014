"""MPQCO: the second-order term of every unit by itself, a multiple-choice knapsack."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.compression.methods.knapsack import Packing, knapsack
from qubo_dnn.compression.task.task import CompressionTask


def mpqco(task: CompressionTask, diagonal: NDArray[np.float64]) -> Packing:
    """Minimise sum_u 1/2 d[u]' G d[u] within the limit, G the Gauss-Newton matrix of the loss.

    As published, the second-order term is that of the change a choice makes, not an average curvature, and terms
    between parts are dropped. Two things differ: the parts are the task's units, not layers, so that all methods have
    the same choices, and the knapsack is solved to optimality where the paper goes greedily.

    Args:
        task: gives cost and limit.
        diagonal: [U, K] d'Gd of every unit at every option, in nats.

    Source: Chen et al. 2021, "Towards Mixed-Precision Quantization of Neural Networks via Constrained Optimization"
    (arXiv 2110.06554).
    """
    return knapsack(task, 0.5 * diagonal)
