"""Count the multiply-accumulates of the layers of a network during a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.inference import eval_mode, forward
from qubo_dnn.compression.network.layer_usage import span
from qubo_dnn.compression.network.layers import Inventory, Layer
from qubo_dnn.compression.user_code import foreign_code
from qubo_dnn.errors import DataError


def count_macs(inventory: Inventory, data: Data) -> dict[str, int]:
    """Return the multiply-accumulates of every compressible layer for one image, summed over its uses.

    Matrix products and convolutions that read the weight count, wherever they are; products with padding count too, as
    is usual. A layer that does not run counts 0, and so does a table whose rows are only looked up.

    Args:
        inventory: the network and its layers.
        data: the network runs on the first images; if its work depends on the image, the result is their mean.

    Raises:
        DataError: the network does not accept these images.
        ModelError: it does not return finite outputs.

    Example:
        >>> from torch import nn
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> data = Data.from_tensors(torch.zeros(1, 1, 6, 6), torch.zeros(1))
        >>> count_macs(find_layers(nn.Sequential(nn.Conv2d(1, 4, 3))), data)  # 4 * 4 positions, 36 weights
        {'0': 576}
    """
    images, _ = next(data.batches(2))
    counter = _Counter(inventory.layers)
    with (
        eval_mode(inventory.model),
        torch.no_grad(),
        _without_fused_kernels(),
        counter,
        foreign_code(DataError, f"{data.name}: the network does not take its images"),
    ):
        forward(inventory.model, images)
    return {name: round(total / len(images)) for name, total in counter.counted.items()}


@contextmanager
def _without_fused_kernels() -> Iterator[None]:
    """Have attention and recurrent layers computed by matrix products, which can be counted."""
    attention, recurrent = torch.backends.mha.get_fastpath_enabled(), torch._C._get_mkldnn_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    # The public switch warns about a setting of its own.
    torch._C._set_mkldnn_enabled(False)
    try:
        with torch.backends.cudnn.flags(enabled=False):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(attention)
        torch._C._set_mkldnn_enabled(recurrent)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own class hook has no types
    """Counts the products of every operation that reads a weight."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own has no types
        self._spans = {layer.name: span(layer.weight) for layer in layers}
        self.counted: dict[str, float] = dict.fromkeys(self._spans, 0)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if count := flop_registry.get(func._overloadpacket):
            read = [span(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
            for name, own in self._spans.items():
                if own and any(each and each[0] < own[1] and each[1] > own[0] for each in read):
                    self.counted[name] += count(*args, **kwargs, out_val=out) / 2
        return out
