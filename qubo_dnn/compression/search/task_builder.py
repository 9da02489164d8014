"""Build the arrays of a compression task from a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from qubo_dnn.compression.network.layers import Inventory, Layer
from qubo_dnn.compression.quantization.activation_grid import activation_grids
from qubo_dnn.compression.quantization.candidates import Candidates
from qubo_dnn.compression.sensitivity.activation_changes import ActivationChanges
from qubo_dnn.compression.sensitivity.removed_channels import ReadChannels
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.budget_costs import size_costs
from qubo_dnn.compression.task.channel_map import ChannelMap
from qubo_dnn.compression.task.decision_map import DecisionMap
from qubo_dnn.compression.task.layer_rules import Rules
from qubo_dnn.compression.task.options import FLOAT_BITS, Option
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.compression.task.stored_bits import LAYER_OVERHEAD_BITS
from qubo_dnn.compression.task.task import CompressionTask, LayerShape
from qubo_dnn.errors import OptionError


def layer_changes(
    inventory: Inventory,
    granularity: str,
    candidates: Candidates,
    reads: Mapping[str, tuple[ReadChannels, ...]] = MappingProxyType({}),
) -> list[LayerChanges]:
    """Compute the change of the present weight of every layer at every option.

    Args:
        inventory: layers of the original network, or of a rewritten network that is measured again.
        granularity: see `qubo_dnn.compression.task.granularity`.
        candidates: candidates of the same layers.
        reads: layer name -> where its channels are read, if removing them is measured there.

    Raises:
        OptionError: `granularity` is invalid.

    Example:
        >>> from torch import nn
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> from qubo_dnn.compression.quantization.candidates import make_candidates
        >>> inventory, options = find_layers(nn.Sequential(nn.Linear(3, 2))), (Option(0), Option(4))
        >>> changes = layer_changes(inventory, "channel", make_candidates(inventory, options))
        >>> changes[0].changes.shape  # 2 options
        torch.Size([2, 2, 3])
    """
    changes = []
    for layer in inventory.layers:
        group = layer.group(granularity)
        change = candidates.weights(layer.name).to(layer.weight.device) - layer.weight.detach().float()
        changes.append(LayerChanges(layer, group, change, reads.get(layer.name, ())))
    return changes


def activation_changes(inventory: Inventory, candidates: Candidates) -> list[ActivationChanges]:
    """Return the change of what every layer reads, at every option that is one of its widths.

    Args:
        inventory: layers of the original network, or of a rewritten network that is measured again.
        candidates: candidates of the same layers, with what they read.

    Example:
        >>> from torch import nn
        >>> from qubo_dnn.compression.data.dataset import Data
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> from qubo_dnn.compression.quantization.activations import observe_activations
        >>> from qubo_dnn.compression.quantization.candidates import Candidates
        >>> inventory, data = find_layers(nn.Sequential(nn.Linear(3, 2))), Data.from_tensors(torch.eye(3))
        >>> read = observe_activations(inventory, data).with_widths({"0": (4, 8)})
        >>> candidates = Candidates((Option(4), Option(6), Option(8)), {}, read)
        >>> activation_changes(inventory, candidates)[0].effective
        [0, 2]
    """
    present = activation_grids(inventory.model)
    layers = {layer.name: layer for layer in inventory.layers}
    changes = []
    for site in candidates.activations.sites:
        for name in site.layers:
            grids = {
                k: site.grids.get(option.bits)
                for k, option in enumerate(candidates.options)
                if option.bits in site.widths and not option.sparsity
            }
            options = len(candidates.options)
            changes.append(ActivationChanges(layers[name], site, options, grids, present.get(name)))
    return changes


def unmeasured_task(
    changes: Sequence[LayerChanges],
    options: Sequence[Option],
    limit: float,
    *,
    common: Sequence[Option] | None = None,
    rules: Rules | None = None,
    skipped: Sequence[LayerShape] = (),
    coupled: ChannelMap | None = None,
    activations: Sequence[ActivationChanges] = (),
) -> CompressionTask:
    """Make the task of a network before its sensitivity is measured.

    Args:
        changes: changes of the layers of the original network.
        options: options of all layers, in ascending order.
        limit: largest number of stored bits for all layers together.
        common: options of layers without special options; None: all.
        rules: special options of layers, and ties.
        skipped: layers that stay float32; their size counts.
        coupled: channels for which all layers that make one share its option; None: only those of the rules do.
        activations: changes of what layers read; layers that read the same share one decision.

    Raises:
        OptionError: a rule matches no layer, or does not fit.

    Example:
        >>> from torch import nn
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> from qubo_dnn.compression.quantization.candidates import make_candidates
        >>> inventory, options = find_layers(nn.Sequential(nn.Linear(3, 2))), (Option(0), Option(4))
        >>> changes = layer_changes(inventory, "channel", make_candidates(inventory, options))
        >>> task = unmeasured_task(changes, options, limit=200.0)
        >>> task.cost.tolist()
        [[5, 29], [5, 29]]
    """
    rules = rules or Rules()
    skipped_weights = sum(shape.channels * shape.weights_per_channel for shape in skipped)
    layers = tuple(layer_shape(entry.layer, entry.group) for entry in changes)
    names, units = [layer.name for layer in layers], [layer.units for layer in layers]
    own = rules.layer_options(names, tuple(common or options))
    allowed = np.array([[option in own[layer.name] for option in options] for layer in layers])
    allowed = np.repeat(allowed, units, axis=0)
    tied = rules.tied(names, units)
    if coupled is not None:
        tied = coupled.tied(layers, tied)
    if activations:
        sites = list(dict.fromkeys(entry.site for entry in activations))
        tied = np.arange(sum(units)) if tied is None else tied
        behind = int(tied.max()) + 1
        tied = np.concatenate([tied, [behind + sites.index(entry.site) for entry in activations]])
        allowed = np.vstack([allowed, [[k in entry.grids for k in range(len(options))] for entry in activations]])
    merge = DecisionMap(np.arange(sum(units)) if tied is None else tied)
    together = merge.all(allowed)
    if not together.any(axis=1).all():
        raise OptionError("layers that are tied together have no option in common")
    means = [np.array([[entry.site.mean_magnitude, 1.0]]) for entry in activations]
    magnitude, sizes = np.concatenate([*map(_magnitudes, changes), *means]).T
    of_weights = size_costs(layers, options)
    cost = np.vstack([of_weights, np.zeros((len(activations), len(options)), of_weights.dtype)])
    return CompressionTask(
        layers=layers,
        options=tuple(options),
        cost=merge.sum(cost),
        overhead=FLOAT_BITS * skipped_weights + LAYER_OVERHEAD_BITS * len(layers),
        skipped_weights=skipped_weights,
        limit=limit,
        mean_magnitude=merge.sum(magnitude) / merge.sum(sizes),
        squared_error=merge.sum(squared_errors(changes, activations)),
        sensitivity=None,
        allowed=None if together.all() else together,
        tied=tied,
        activations=tuple(entry.layer.name for entry in activations),
    )


def measured_task(
    task: CompressionTask,
    changes: Sequence[LayerChanges],
    sensitivity: QuadraticLossModel,
    nonlinearity: NDArray[np.float64] | None = None,
    activations: Sequence[ActivationChanges] = (),
) -> CompressionTask:
    """Add the measurement around a network to a task.

    Args:
        task: result of `unmeasured_task`, or a task measured around another network.
        changes: changes of the layers of the measured network.
        sensitivity: loss model over all its units.
        nonlinearity: [units, K] result of `measure_nonlinearity`; None keeps that of the task.
        activations: changes of what the layers of the measured network read.

    Example:
        >>> from torch import nn
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> from qubo_dnn.compression.quantization.candidates import make_candidates
        >>> inventory, options = find_layers(nn.Sequential(nn.Linear(3, 2))), (Option(0), Option(4))
        >>> changes = layer_changes(inventory, "channel", make_candidates(inventory, options))
        >>> zero = QuadraticLossModel(matrix=np.zeros((4, 4), np.float32), linear=np.zeros(4))
        >>> measured_task(unmeasured_task(changes, options, limit=200.0), changes, zero).sensitivity.matrix.shape
        (4, 4)
    """
    merge = DecisionMap(task.units)
    return replace(
        task,
        squared_error=merge.sum(squared_errors(changes, activations)),
        sensitivity=sensitivity if task.tied is None else merge.sensitivity(sensitivity, len(task.options)),
        nonlinearity=task.nonlinearity if nonlinearity is None else merge.mean(nonlinearity),
    )


def squared_errors(
    changes: Sequence[LayerChanges], activations: Sequence[ActivationChanges] = ()
) -> NDArray[np.float64]:
    """Return [units, K] the squared l2 norm of every unit's change, those of weights first.

    Example:
        >>> from torch import nn
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> from qubo_dnn.compression.quantization.candidates import make_candidates
        >>> inventory, options = find_layers(nn.Sequential(nn.Linear(3, 2))), (Option(0), Option(4))
        >>> changes = layer_changes(inventory, "channel", make_candidates(inventory, options))
        >>> squared_errors(changes).shape  # 2 units, 2 options
        (2, 2)
    """
    errors = [*(entry.squared_error() for entry in changes), *(entry.squared_error() for entry in activations)]
    return np.asarray(torch.cat(errors).numpy())


def layer_shape(layer: Layer, group: int) -> LayerShape:
    """Return the shape of a layer whose units have `group` channels.

    Example:
        >>> from torch import nn
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> layer_shape(find_layers(nn.Sequential(nn.Conv2d(3, 8, 5))).layers[0], group=4)
        LayerShape(name='0', channels=8, weights_per_channel=75, group=4)
    """
    return LayerShape(layer.name, layer.channels, layer.weights_per_channel, group)


def _magnitudes(entry: LayerChanges) -> NDArray[np.float64]:
    """Return [units, 2]: the sum of mean |weight| over the channels of a unit, and their number."""
    means = entry.layer.rows(entry.layer.weight.detach()).double().abs().mean(1)
    return np.asarray(entry.per_unit(torch.stack([means, torch.ones_like(means)], 1)).cpu().numpy())
