"""HAWQ-V3: average Hessian trace of a layer times squared error, an integer linear program."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.compression.methods.knapsack import Packing, knapsack
from qubo_dnn.compression.task.task import CompressionTask


def hawq_v3(task: CompressionTask, traces: NDArray[np.float64]) -> Packing:
    """Minimise sum_u (Tr H_l / n_l) |d[u]|^2 within the limit, with l the layer of unit u and n_l its weights.

    The published method decides per layer; here every unit of the task is decided, so that it has the same choices as
    the other methods.

    Args:
        task: gives squared errors, cost and limit.
        traces: [layers] trace of the curvature of the loss in each layer's weights, >= 0.

    Source: Yao et al. 2021, "HAWQ-V3: Dyadic Neural Network Quantization" (arXiv 2011.10680); Dong et al. 2020,
    HAWQ-V2 (arXiv 1911.03852) for the sensitivity.
    """
    weights = np.array([layer.channels * layer.weights_per_channel for layer in task.layers])
    average = traces / weights
    return knapsack(task, 0.5 * average[task.layer_of][:, None] * task.squared_error)
