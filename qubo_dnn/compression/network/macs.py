"""Count the multiply-accumulates of the layers of a network during a run."""

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
    """Return the multiply-accumulates of every compressible layer for one image, summed over its calls.

    Products with padding count too, as is usual. A layer that does not run counts 0.

    Args:
        inventory: the network and its layers.
        data: the network runs on the first images; if its work depends on the image, the result is their mean.

    Raises:
        DataError: the network does not accept these images.
        ModelError: it does not return finite outputs.

    Example:
        >>> import torch
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> data = Data.from_tensors(torch.zeros(1, 1, 6, 6), torch.zeros(1))
        >>> count_macs(find_layers(nn.Sequential(nn.Conv2d(1, 4, 3))), data)  # 4 * 4 positions, 36 weights
        {'0': 576}
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
    """Return the number of uses of every weight in one call: positions of the output, or input if transposed."""
    if layer.layout.transposed:
        return inputs.numel() // layer.weight.shape[0]
    return output.numel() // layer.weight.shape[0]
