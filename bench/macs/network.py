"""A real network as a chain: its measured task with a budget, and what counts of channels know of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.macs.chains import Chain
from bench.removal.channels import Channels
from bench.removal.measured import Measured
from qubo_dnn.compression.removal.number_channels import number_channels
from qubo_dnn.compression.task.budgets import parse_budget
from qubo_dnn.compression.task.channel_map import STAYS, ChannelMap, keep_one_channel
from qubo_dnn.compression.task.macs_budget import macs_budget
from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.errors import ModelError
from qubo_formulations.pruning_quantization import PruningQuantization


def network_chain(measured: Measured, share: float) -> Chain:
    """Return the chain of a network whose layers each read all channels that the one before makes, and no others.

    Its losses are those of the objective `separable`, around the network as given.

    Args:
        measured: the network.
        share: the budget as a share of all multiply-accumulates.

    Raises:
        ModelError: the network is no chain.
        BudgetError: no choice of channels meets the budget.
    """
    channels = measured.channels
    numbered = number_channels(channels.every_layer, channels.groups, channels.macs)
    factors = _factors(numbered)
    task = keep_one_channel(measured.task, numbered)
    task = replace(task, budgets=(macs_budget(parse_budget(f"{100 * share:g}%macs"), task, numbered),))
    return Chain(task=task, losses=_losses(task, channels), factors=factors)


def _losses(task: CompressionTask, channels: Channels) -> tuple[NDArray[np.float64], ...]:
    """Return [channels] of every group: the loss without a channel, infinite where it has to stay."""
    linear = PruningQuantization(task, objective="separable").compile().objective.linear
    losses = [
        linear[f"x[{unit}][0]"] - linear[f"x[{unit}][1]"] if may else np.inf
        for unit, may in enumerate(task.choices[:, 0])
    ]
    return tuple(np.array(losses)[channels.block == place] for place in range(len(channels.groups)))


def _factors(numbered: ChannelMap) -> tuple[float, ...]:
    """Return the multiply-accumulates of an output with an input channel of every layer; see `Chain.factors`."""
    stays = np.array([STAYS])
    between = [stays, *(np.flatnonzero(numbered.group_of == group) for group in range(len(numbered.groups))), stays]
    if len(numbered.layers) != len(between) - 1:
        raise ModelError(f"the network is no chain: {len(numbered.layers)} layers, {len(numbered.groups)} in between")
    factors = []
    for layer, (read, made) in zip(numbered.layers, pairwise(between), strict=True):
        reads = stays if layer.read is None else np.unique(layer.read)
        if not np.array_equal(reads, read) or not np.array_equal(np.unique(layer.made), made):
            raise ModelError(f"the network is no chain: {layer.name} has other channels than the layers next to it")
        factors.append(layer.macs / (len(read) * len(made)))
    return tuple(factors)
