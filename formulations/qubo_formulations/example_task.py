"""A small random compression task, for examples and the conformance kit."""

from __future__ import annotations

import numpy as np

from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.compression.task.task import CompressionTask, LayerShape


def example_task(seed: int, layers: tuple[LayerShape, ...] | None = None) -> CompressionTask:
    """Make a random task: the changes of the weights and the curvature of the loss are drawn at random.

    Args:
        seed: random seed.
        layers: shapes of the layers; None: two layers of 3 and 2 channels.

    Returns:
        A task with the options 0, 2 and 4 bits; its limit is about half of the size at 4 bits everywhere.

    Example:
        >>> task = example_task(seed=1)
        >>> [layer.name for layer in task.layers], task.cost.shape
        (['first', 'second'], (5, 3))
    """
    layers = layers or (LayerShape("first", 3, 9, 1), LayerShape("second", 2, 18, 1))
    options = bit_widths(0, 2, 4)
    rng = np.random.default_rng(seed)
    channels = np.concatenate([layer.unit_channels for layer in layers])
    size = channels * np.repeat([layer.weights_per_channel for layer in layers], [layer.units for layer in layers])
    relative = np.array([1.0, 0.3, 0.02])
    squared_error = size[:, None] * relative * rng.uniform(0.5, 2.0, (len(size), 1))
    factor = rng.normal(size=(squared_error.size, 8)) * np.sqrt(squared_error.reshape(-1, 1))
    cost = size[:, None] * np.array([option.bits for option in options])
    return CompressionTask(
        layers=layers,
        options=options,
        cost=cost,
        overhead=32 * len(layers),
        limit=32 * len(layers) + 0.5 * float(cost.max(axis=1).sum()),
        mean_magnitude=rng.uniform(0.05, 0.5, len(size)),
        squared_error=squared_error,
        sensitivity=QuadraticLossModel(
            matrix=np.asarray(factor @ factor.T / 8, np.float32), linear=np.zeros(len(factor))
        ),
    )
