"""Measure how much each layer of a plan contributes to the divergence of the compressed network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import nn

from qubo_dnn.compression.network.layers import Inventory
from qubo_dnn.compression.quantization.activation_grid import ActivationGrid, set_activation_grids_
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence


def layer_effects(
    inventory: Inventory,
    quantized: Mapping[str, Quantized],
    judge: HeldOutDivergence,
    grids: Mapping[str, ActivationGrid] = MappingProxyType({}),
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, float]:
    """Return the divergence of the network if only one layer is compressed, for every layer in turn.

    Args:
        inventory: the original network, which is not changed, and its layers.
        quantized: layer name -> codes of its compressed weight.
        judge: measures the divergence.
        grids: layer name -> grid of what it reads in the compressed network.
        progress: called after every layer with the number of layers done and their total.

    Returns:
        Layer name -> divergence in the unit of the loss.

    Example:
        >>> from qubo_dnn.compression.data.dataset import Data
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> from qubo_dnn.compression.losses.losses import SquaredError
        >>> from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
        >>> from qubo_dnn.compression.task.options import Option
        >>> from qubo_dnn.compression.task.plan import LayerPlan, Plan
        >>> network, data = nn.Sequential(nn.Linear(3, 2)), Data.from_tensors(torch.eye(3))
        >>> codes = apply_plan_(copy.deepcopy(network), Plan({"0": LayerPlan(2, (Option(2),))}))
        >>> effects = layer_effects(find_layers(network), codes, HeldOutDivergence(network, data, SquaredError()))
        >>> effects["0"] > 0.0
        True
    """
    trial = inventory.of(copy.deepcopy(inventory.model))
    found: dict[str, float] = {}
    for layer in trial.layers:
        if layer.name in quantized:
            original = layer.weight.detach().clone()
            _set(layer.weight, dequantize(quantized[layer.name]))
            set_activation_grids_(trial.model, {name: grid for name, grid in grids.items() if name == layer.name})
            found[layer.name] = judge(trial.model).divergence
            _set(layer.weight, original)
            if progress:
                progress(len(found), len(quantized))
    return found


def _set(weight: nn.Parameter, values: torch.Tensor) -> None:
    with torch.no_grad():
        weight.copy_(values)
