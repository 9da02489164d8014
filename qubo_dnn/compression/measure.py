"""From a network to the arrays a formulation needs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from qubo_dnn.compression.candidates import Candidates
from qubo_dnn.compression.changes import LayerChanges
from qubo_dnn.compression.costs import LAYER_OVERHEAD_BITS, stored_bits
from qubo_dnn.compression.layers import Inventory, Layer
from qubo_dnn.compression.options import Option
from qubo_dnn.compression.task import CompressionTask, LayerShape
from qubo_dnn.compression.units import group_size


def layer_changes(inventory: Inventory, granularity: str, candidates: Candidates) -> list[LayerChanges]:
    """What every option does to the weights of every layer as they are now.

    Args:
        inventory: the layers of the network as given, or of one that is measured again after it was rewritten.
        granularity: "layer", "channel" or "group:N".
        candidates: of the same layers.

    Raises:
        OptionError: `granularity` is not valid.
    """
    changes = []
    for layer in inventory.layers:
        group = group_size(granularity, layer.channels)
        change = candidates.weights(layer.name).to(layer.weight.device) - layer.weight.detach().float()
        changes.append(LayerChanges(layer, group, change))
    return changes


def unmeasured_task(changes: Sequence[LayerChanges], options: Sequence[Option], limit: float) -> CompressionTask:
    """The task of a network whose sensitivity is yet to be measured.

    Args:
        changes: of `layer_changes`.
        options: the same, in ascending order.
        limit: most stored bits allowed for all layers together.
    """
    layers = tuple(_shape(entry.layer, entry.group) for entry in changes)
    cost = [
        [stored_bits(shape.weights_per_channel, channels, option) for option in options]
        for shape in layers
        for channels in shape.unit_channels
    ]
    return CompressionTask(
        layers=layers,
        options=tuple(options),
        cost=np.array(cost, np.int64),
        overhead=LAYER_OVERHEAD_BITS * len(layers),
        limit=limit,
        mean_magnitude=torch.cat([_mean_magnitude(entry) for entry in changes]).numpy(),
        squared_error=torch.cat([entry.squared_error() for entry in changes]).numpy(),
        sensitivity=None,
    )


def _shape(layer: Layer, group: int) -> LayerShape:
    return LayerShape(layer.name, layer.channels, layer.weights_per_channel, group)


def _mean_magnitude(entry: LayerChanges) -> torch.Tensor:
    """[units] float64."""
    channel_means = entry.layer.rows(entry.layer.weight.detach()).double().abs().mean(1)
    return entry.per_unit(channel_means) / entry.per_unit(torch.ones_like(channel_means))
