"""The optimum of the paper's Hamiltonian under a budget, without annealing.

All filters of a layer have as many weights, so what a plan costs and saves depends on how many filters of each layer it
prunes and how many bits it removes there, and of equally many the ones with the least weights are the best. So there
are (filters + 1) x 8 choices for a layer, and the whole is a multiple-choice knapsack with one item for every layer.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from bench.compression.methods.knapsack import Packing, pack
from qubo_dnn.compression.task.options import MAX_BITS
from qubo_formulations.aqc_pruning_quantization import CODE, AqcPruningQuantization

METHOD = "knapsack of layers"


def optimum(formulation: AqcPruningQuantization) -> Packing:
    """The least objective within the budget, as `damage`, and a proven bound of it.

    Args:
        formulation: with a budget, that is without gamma.

    Raises:
        BackendFailedError: no answer was found.
    """
    layers = formulation.task.layers
    most_removed = sum(CODE)
    width = (max(layer.channels for layer in layers) + 1) * (most_removed + 1)
    cost, damage = np.zeros((len(layers), width), np.int64), np.zeros((len(layers), width))
    for n, (layer, magnitudes) in enumerate(zip(layers, formulation.magnitudes, strict=True)):
        mean = sum(magnitudes) / len(magnitudes)
        choices = []
        for pruned, lost in enumerate(accumulate(sorted(magnitudes), initial=0.0)):
            for removed in range(most_removed + 1):
                kept = layer.weights_per_channel * (layer.channels - pruned) * (MAX_BITS - removed)
                choices.append((kept, lost**2 + formulation.beta * formulation.quantization_loss(removed, mean)))
        # Layers with fewer choices have their last one several times.
        choices += choices[-1:] * (width - len(choices))
        cost[n], damage[n] = zip(*choices, strict=True)
    whole = MAX_BITS * formulation.task.weights
    return pack(cost, damage, whole * (1.0 - formulation.reduction_needed))
