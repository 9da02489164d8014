"""One record per layer of a finished compression."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from qubo_dnn.compression.outcome import Compression
from qubo_dnn.compression.rewriting.apply_plan import planned_layers
from qubo_dnn.compression.task.options import FLOAT_BITS
from qubo_dnn.compression.task.stored_bits import layer_bytes


def layer_records(done: Compression) -> list[dict[str, Any]]:
    """Return the figures of every compressed layer as plain data, in module order.

    Of each layer: `name`, `kind` (class of the module), `shape` of the weight, `calls` of the module in one pass of the
    network, `weights`, `widths` (option -> output channels), `activation_bits` (width of what it reads; 32: as it is),
    `bytes` in the file, `bops` (multiply-accumulates for one image x weight bits x activation bits, whether inputs are
    removed or not), and its shares of the divergence: `predicted_share` by the loss model around the given network
    (with half of the terms with other layers, so that a share can be negative; None without a model), and
    `measured_share`, of the sum of the divergences of networks with only one layer compressed, on held-out images. Both
    are None after training.

    Example:
        >>> def widest_layer(done: Compression) -> str:
        ...     return max(layer_records(done), key=lambda record: record["bytes"])["name"]
    """
    plan = done.found.applied.plan
    predicted = None if done.predicted is None else _shares(done.predicted)
    measured = None if done.effects is None else _shares(done.effects)
    records = []
    for name, layer in planned_layers(done.inventory, plan).items():
        options = plan.layers[name].channel_options(layer.channels)
        read = plan.activations.get(name, FLOAT_BITS)
        kept = sum(option.bits * option.kept(layer.weights_per_channel) for option in options)
        records.append(
            {
                "name": name,
                "kind": type(layer.module).__name__,
                "shape": list(layer.weight.shape),
                "calls": done.calls[name],
                "weights": layer.weight.numel(),
                "widths": {str(option): count for option, count in sorted(Counter(options).items())},
                "bytes": layer_bytes(plan.layers[name], layer.channels, layer.weights_per_channel),
                "activation_bits": read,
                "bops": read * done.macs[name] * kept / layer.weight.numel(),
                "predicted_share": None if predicted is None else predicted[name],
                "measured_share": None if measured is None else measured[name],
            }
        )
    return records


def stored_bits_per_number(done: Compression) -> float:
    """Return the average bits per number of the network in the file, without the header of the file.

    Example:
        >>> def is_within(done: Compression, bits: float) -> bool:
        ...     return stored_bits_per_number(done) <= bits
    """
    compressed: int = sum(record["bytes"] for record in layer_records(done))
    return (8 * compressed + done.contents.kept_bits) / done.contents.numbers


def _shares(values: Mapping[str, float]) -> dict[str, float]:
    total = sum(values.values())
    return {name: value / total if total else 0.0 for name, value in values.items()}
