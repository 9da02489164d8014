"""A plan carried out on a network, and what it amounts to."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from qubo_dnn.compression.network.layers import Inventory, Layer, find_layers
from qubo_dnn.compression.quantization.candidates import Candidates
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize, quantize
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.compression.task.stored_bits import FLOAT_BITS, layer_bytes
from qubo_dnn.errors import ModelError


def apply_plan_(model: nn.Module, plan: Plan, candidates: Candidates | None = None) -> dict[str, Quantized]:
    """Replace the weights of every planned layer by their quantized values, in place; nothing else is touched.

    Args:
        model: any network of the layers planned.
        plan: options of their units.
        candidates: where the new weights come from, whatever the weights are now. None: the present weights are
            quantized; they should be the original ones, for quantizing twice at different widths adds both errors.

    Returns:
        Layer name -> the codes of its new weight.

    Raises:
        ModelError: the plan does not fit the model or the candidates, or a weight is not finite; the model is then
            unchanged.
    """
    layers = planned_layers(find_layers(model), plan)
    quantized = _quantized(layers, plan) if candidates is None else candidates.assemble(plan)
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
    """The layers that `plan` names, in module order.

    Raises:
        ModelError: the plan names a layer that is not there or cannot be compressed, or has another number of
            units than the layer.
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
    """Weights that are pruned, in pruned channels or by a mask, per compressible weight.

    Raises:
        ModelError: the plan does not fit the model.
    """
    inventory = find_layers(model)
    pruned = 0
    for name, layer in planned_layers(inventory, plan).items():
        options = plan.layers[name].channel_options(layer.channels)
        pruned += sum(layer.weights_per_channel - option.kept(layer.weights_per_channel) for option in options)
    return pruned / inventory.weights


def bits_per_weight(model: nn.Module, plan: Plan) -> float:
    """Average bits that a compressible weight takes in the file, everything stored for it included.

    Layers that the plan does not name count 32 bits per weight.

    Raises:
        ModelError: the plan does not fit the model.
    """
    inventory = find_layers(model)
    planned = planned_layers(inventory, plan)
    bits = FLOAT_BITS * (inventory.weights - sum(layer.weight.numel() for layer in planned.values()))
    for name, layer in planned.items():
        bits += 8 * layer_bytes(plan.layers[name], layer.channels, layer.weights_per_channel)
    return bits / inventory.weights
