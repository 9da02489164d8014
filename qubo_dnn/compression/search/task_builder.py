"""From a network to the arrays a formulation needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from qubo_dnn.compression.network.layers import Inventory, Layer
from qubo_dnn.compression.quantization.candidates import Candidates
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.budget_costs import size_costs
from qubo_dnn.compression.task.decision_map import DecisionMap
from qubo_dnn.compression.task.granularity import group_size
from qubo_dnn.compression.task.layer_rules import Rules
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.compression.task.stored_bits import FLOAT_BITS, LAYER_OVERHEAD_BITS
from qubo_dnn.compression.task.task import CompressionTask, LayerShape
from qubo_dnn.errors import OptionError


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


def unmeasured_task(
    changes: Sequence[LayerChanges],
    options: Sequence[Option],
    limit: float,
    *,
    common: Sequence[Option] | None = None,
    rules: Rules | None = None,
    skipped: Sequence[LayerShape] = (),
) -> CompressionTask:
    """The task of a network whose sensitivity is yet to be measured.

    Args:
        changes: of the network as given.
        options: of any layer, in ascending order.
        common: those of layers without options of their own; None: all.
        limit: most stored bits allowed for all layers together.
        rules: layers with options of their own, and ties.
        skipped: layers that stay float32, and whose size counts.

    Raises:
        OptionError: a rule names no layer, or does not fit.
    """
    rules = rules or Rules()
    skipped_weights = sum(shape.channels * shape.weights_per_channel for shape in skipped)
    layers = tuple(layer_shape(entry.layer, entry.group) for entry in changes)
    names, units = [layer.name for layer in layers], [layer.units for layer in layers]
    own = rules.layer_options(names, tuple(common or options))
    allowed = np.array([[option in own[layer.name] for option in options] for layer in layers])
    allowed = np.repeat(allowed, units, axis=0)
    tied = rules.tied(names, units)
    merge = DecisionMap(np.arange(sum(units)) if tied is None else tied)
    together = merge.all(allowed)
    if not together.any(axis=1).all():
        raise OptionError("layers that are tied together have no option in common")
    magnitude, sizes = np.concatenate([_magnitudes(entry) for entry in changes]).T
    return CompressionTask(
        layers=layers,
        options=tuple(options),
        cost=merge.sum(size_costs(layers, options)),
        overhead=FLOAT_BITS * skipped_weights + LAYER_OVERHEAD_BITS * len(layers),
        skipped_weights=skipped_weights,
        limit=limit,
        mean_magnitude=merge.sum(magnitude) / merge.sum(sizes),
        squared_error=merge.sum(squared_errors(changes)),
        sensitivity=None,
        allowed=None if together.all() else together,
        tied=tied,
    )


def measured_task(
    task: CompressionTask,
    changes: Sequence[LayerChanges],
    sensitivity: QuadraticLossModel,
    nonlinearity: NDArray[np.float64] | None = None,
) -> CompressionTask:
    """A task with what was measured around a network.

    Args:
        task: of `unmeasured_task`, or measured around another network.
        changes: of the network measured.
        sensitivity: over all its units.
        nonlinearity: [units, K] of `measure_nonlinearity`; None keeps that of the task.
    """
    merge = DecisionMap(task.units)
    return replace(
        task,
        squared_error=merge.sum(squared_errors(changes)),
        sensitivity=sensitivity if task.tied is None else merge.sensitivity(sensitivity, len(task.options)),
        nonlinearity=task.nonlinearity if nonlinearity is None else merge.mean(nonlinearity),
    )


def squared_errors(changes: Sequence[LayerChanges]) -> NDArray[np.float64]:
    """[units, K] squared l2 norm of every unit's change."""
    return np.asarray(torch.cat([entry.squared_error() for entry in changes]).numpy())


def layer_shape(layer: Layer, group: int) -> LayerShape:
    """The shape of a layer whose units have `group` channels."""
    return LayerShape(layer.name, layer.channels, layer.weights_per_channel, group)


def _magnitudes(entry: LayerChanges) -> NDArray[np.float64]:
    """[units, 2] sum over the channels of mean |weight|, and channels."""
    means = entry.layer.rows(entry.layer.weight.detach()).double().abs().mean(1)
    return np.asarray(entry.per_unit(torch.stack([means, torch.ones_like(means)], 1)).numpy())
