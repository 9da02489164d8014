"""Count how often a network calls its layers."""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.hooks import forward_hooks
from qubo_dnn.compression.network.inference import forward, inference
from qubo_dnn.compression.network.layers import Inventory
from qubo_dnn.compression.user_code import foreign_code
from qubo_dnn.errors import DataError


def count_calls(inventory: Inventory, data: Data) -> dict[str, int]:
    """Return the calls of the modules that own the weight of every compressible layer, in one pass of the network.

    Args:
        inventory: the network and its layers.
        data: the network runs on the first samples.

    Raises:
        DataError: the network does not accept these samples.
        ModelError: it does not return finite outputs.

    Example:
        >>> import torch
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> layer = nn.Linear(3, 3)
        >>> count_calls(find_layers(nn.Sequential(layer, nn.ReLU())), Data.from_tensors(torch.zeros(2, 3)))
        {'0': 1}
    """
    inputs, _ = next(data.batches(2))
    calls: Counter[nn.Module] = Counter()

    def count(module: nn.Module, *_: Any) -> None:
        calls[module] += 1

    what = f"{data.name}: the network does not take {data.described}"
    modules = dict.fromkeys(module for layer in inventory.layers for module in layer.modules)
    with (
        forward_hooks((module, count) for module in modules),
        inference(inventory.model),
        foreign_code(DataError, what),
    ):
        forward(inventory.model, inputs)
    return {layer.name: sum(calls[module] for module in layer.modules) for layer in inventory.layers}
