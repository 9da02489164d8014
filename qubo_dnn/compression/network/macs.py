"""Multiply-accumulates of the layers of a network, counted while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from qubo_dnn.compression.network.dataset import Data
from qubo_dnn.compression.network.hooks import forward_hooks
from qubo_dnn.compression.network.inference import forward, inference
from qubo_dnn.compression.network.layer_calls import input_of
from qubo_dnn.compression.network.layers import Inventory, Layer
from qubo_dnn.compression.network.user_code import foreign_code
from qubo_dnn.errors import DataError


def count_macs(inventory: Inventory, data: Data) -> dict[str, int]:
    """Multiply-accumulates of every compressible layer for one image, all of its calls together.

    Those with padding count as well, as is usual. A layer that does not run counts 0.

    Args:
        inventory: the network and its layers.
        data: its first images are run; of a network whose work depends on the image, it is their mean.

    Raises:
        DataError: the network does not take these images.
        ModelError: it does not give finite outputs.
    """
    images, _ = next(data.batches(2))
    counted = dict.fromkeys((layer.name for layer in inventory.layers), 0)

    def counter(layer: Layer) -> Any:
        def count(_: nn.Module, args: tuple[Tensor, ...], kwargs: Mapping[str, Tensor], output: Tensor) -> None:
            inputs = input_of(args, kwargs)
            if isinstance(inputs, Tensor) and isinstance(output, Tensor):
                counted[layer.name] += layer.weight.numel() * _uses(layer, inputs, output)

        return count

    with (
        forward_hooks((layer.module, counter(layer)) for layer in inventory.layers),
        inference(inventory.model),
        foreign_code(DataError, f"{data.name}: the network does not take its images"),
    ):
        forward(inventory.model, images)
    return {name: round(total / len(images)) for name, total in counted.items()}


def _uses(layer: Layer, inputs: Tensor, output: Tensor) -> int:
    """How often every weight is used in one call: positions of the output, of a transposed convolution's input."""
    if layer.layout.transposed:
        return inputs.numel() // layer.weight.shape[0]
    return output.numel() // layer.weight.shape[0]
