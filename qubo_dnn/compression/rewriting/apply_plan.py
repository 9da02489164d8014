"""Apply a plan to a network, and compute its size and sparsity."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from qubo_dnn.compression.network.layers import Inventory, Layer, find_layers
from qubo_dnn.compression.quantization.activation_grid import set_activation_grids_
from qubo_dnn.compression.quantization.activations import NO_ACTIVATIONS
from qubo_dnn.compression.quantization.candidates import Candidates
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize, quantize
from qubo_dnn.compression.task.options import FLOAT_BITS
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.compression.task.stored_bits import layer_bytes
from qubo_dnn.errors import ModelError


def apply_plan_(model: nn.Module, plan: Plan, candidates: Candidates | None = None) -> dict[str, Quantized]:
    """Replace the weights of every planned layer by their quantized values, in place; nothing else changes.

    Layers whose activations the plan quantizes round what they read, and no others do; see
    `qubo_dnn.compression.quantization.activation_grid`.

    Args:
        model: a network with the planned layers.
        plan: options of their units.
        candidates: source of the new weights, independent of the present ones. None: the present weights are
            quantized; they should be the original ones, because quantizing twice adds both errors. The plan then must
            not quantize activations, whose grids only candidates have.

    Returns:
        Layer name -> codes of its new weight.

    Raises:
        ModelError: the plan does not fit the model or the candidates, a weight is not finite, or there is no grid for
            some activations; the model is then unchanged.

    Example:
        >>> from qubo_dnn.compression.task.options import FLOAT_BITS, Option
        >>> from qubo_dnn.compression.task.plan import LayerPlan
        >>> network = nn.Sequential(nn.Linear(3, 2))
        >>> codes = apply_plan_(network, Plan({"0": LayerPlan(1, (Option(0), Option(4)))}))
        >>> network[0].weight[0].tolist(), codes["0"].bits.tolist()  # channel 0 is pruned
        ([0.0, 0.0, 0.0], [0, 4])
    """
    layers = planned_layers(find_layers(model), plan)
    quantized = _quantized(layers, plan) if candidates is None else candidates.assemble(plan)
    activations = NO_ACTIVATIONS if candidates is None else candidates.activations
    set_activation_grids_(model, activations.grids(plan))
    with torch.no_grad():
        for name, layer in layers.items():
            layer.weight.copy_(dequantize(quantized[name]))
    return quantized


def _quantized(layers: Mapping[str, Layer], plan: Plan) -> dict[str, Quantized]:
    return {
        name: quantize(layer.weight, plan.layers[name].channel_options(layer.channels), name, layer.layout)
        for name, layer in layers.items()
    }


def planned_layers(inventory: Inventory, plan: Plan) -> dict[str, Layer]:
    """Return the layers that `plan` names, in module order.

    Raises:
        ModelError: the plan names a layer that does not exist or cannot be compressed, or its number of units
            differs from that of the layer.

    Example:
        >>> from qubo_dnn.compression.task.options import FLOAT_BITS, Option
        >>> from qubo_dnn.compression.task.plan import LayerPlan
        >>> inventory = find_layers(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)))
        >>> list(planned_layers(inventory, Plan({"1": LayerPlan(1, (Option(4),))})))
        ['1']
    """
    layers = {layer.name: layer for layer in inventory.layers if layer.name in plan.layers}
    reasons = {skipped.name: skipped.reason for skipped in inventory.left_alone}
    for name, planned in plan.layers.items():
        if name not in layers:
            raise ModelError(f"the plan's layer {name!r} cannot be compressed: {reasons.get(name, 'not in the model')}")
        needed = -(-layers[name].channels // planned.group)
        if len(planned.options) != needed:
            raise ModelError(
                f"the plan has {len(planned.options)} units of {planned.group} channels for the layer {name!r}, "
                f"whose {layers[name].channels} channels make {needed}"
            )
    return layers


def pruned_fraction(model: nn.Module, plan: Plan) -> float:
    """Return the share of compressible weights that are pruned, with their channel or by a mask.

    Raises:
        ModelError: the plan does not fit the model.

    Example:
        >>> from qubo_dnn.compression.task.options import FLOAT_BITS, Option
        >>> from qubo_dnn.compression.task.plan import LayerPlan
        >>> plan = Plan({"0": LayerPlan(1, (Option(0), Option(4)))})
        >>> pruned_fraction(nn.Sequential(nn.Linear(3, 2)), plan)
        0.5
    """
    inventory = find_layers(model)
    pruned = 0
    for name, layer in planned_layers(inventory, plan).items():
        options = plan.layers[name].channel_options(layer.channels)
        pruned += sum(layer.weights_per_channel - option.kept(layer.weights_per_channel) for option in options)
    return pruned / inventory.weights


def bits_per_weight(model: nn.Module, plan: Plan) -> float:
    """Return the average stored bits per compressible weight, with scales, offsets, masks and codes.

    Layers that the plan does not name count 32 bits per weight.

    Raises:
        ModelError: the plan does not fit the model.

    Example:
        >>> from qubo_dnn.compression.task.options import FLOAT_BITS, Option
        >>> from qubo_dnn.compression.task.plan import LayerPlan
        >>> plan = Plan({"0": LayerPlan(10, (Option(4),))})
        >>> bits_per_weight(nn.Sequential(nn.Linear(100, 10)), plan)  # 4 bits and the scales and offsets
        4.16
    """
    inventory = find_layers(model)
    planned = planned_layers(inventory, plan)
    bits = FLOAT_BITS * (inventory.weights - sum(layer.weight.numel() for layer in planned.values()))
    for name, layer in planned.items():
        bits += 8 * layer_bytes(plan.layers[name], layer.channels, layer.weights_per_channel)
    return bits / inventory.weights
