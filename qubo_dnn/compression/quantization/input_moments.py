"""Second moments of the inputs of layers; they give the output error of a layer for any change of its weight.

A channel of weights w gives `w . x` at a position whose inputs are x. A change d of the weights changes the output by
`d . x`, in mean square by d H d' with H = E[x x'] over images and positions; the channels of a group share one H.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.inference import forward, inference
from qubo_dnn.compression.network.layer_calls import input_of
from qubo_dnn.compression.network.layers import Layer
from qubo_dnn.compression.network.operators import call_hooks

BATCH = 32
_COLUMN_BYTES = 1 << 26


def second_moments(
    model: nn.Module, layers: Sequence[Layer], data: Data, progress: Callable[[], None] | None = None
) -> list[Tensor]:
    """Measure H of every layer: a sum over positions and calls, and a mean over images.

    Args:
        model: the network that contains the layers.
        layers: layers to measure; each takes `groups * n**2` numbers, n its weights per channel.
        data: images to run the network on, `BATCH` at a time.
        progress: called after every batch.

    Returns:
        [groups, n, n] float32 on the CPU for every layer; zero if the network does not call the layer.

    Raises:
        ModelError: the network does not give finite outputs.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network = nn.Sequential(nn.Linear(2, 3))
        >>> data = Data.from_tensors(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 1]))
        >>> second_moments(network, find_layers(network).layers, data)[0].tolist()
        [[[0.5, 0.0], [0.0, 2.0]]]
    """
    moments = [torch.zeros(groups(layer), layer.weights_per_channel, layer.weights_per_channel) for layer in layers]

    def watcher(layer: Layer, moment: Tensor) -> Callable[..., None]:
        def watch(_: nn.Module, args: tuple[Tensor, ...], kwargs: Mapping[str, Tensor], output: Tensor) -> None:
            inputs = input_of(args, kwargs)
            if not isinstance(layer.module, nn.Linear) and inputs.dim() < layer.weight.dim():
                inputs, output = inputs[None], output[None]
            # The inputs of a channel repeat an activation for every position of the kernel.
            bytes_each = 4 * layer.weights_per_channel * moment.shape[0] * (output[0].numel() // output.shape[1])
            step = max(1, _COLUMN_BYTES // max(1, bytes_each))
            for part, made in zip(torch.split(inputs, step), torch.split(output, step), strict=True):
                read = columns(layer, part, made)
                moment.baddbmm_(read, read.mT)

        return watch

    watched = ((layer, watcher(layer, moment)) for layer, moment in zip(layers, moments, strict=True))
    with call_hooks(watched), inference(model):
        for inputs, _ in data.batches(BATCH):
            forward(model, inputs)
            if progress:
                progress()
    return [moment.div_(len(data)) for moment in moments]


def groups(layer: Layer) -> int:
    """Return the number of groups of channels with different inputs.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> groups(find_layers(nn.Sequential(nn.Conv2d(4, 8, 3, groups=2))).layers[0])
        2
    """
    count: int = getattr(layer.module, "groups", 1)
    return count


def columns(layer: Layer, inputs: Tensor, output: Tensor, chosen: Tensor | None = None) -> Tensor:
    """Return the inputs of the channels of every group at every position, or at some.

    Args:
        layer: a layer whose output is linear in its weight.
        inputs: input of one call, with a batch axis.
        output: output of the same call; only its shape is used.
        chosen: indices of positions within one image, in the order of the flattened output; None: all positions.

    Returns:
        [groups, weights per channel, positions] float32 on the CPU: multiplied by the rows of weights, this
        gives the output without the bias.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> convolution, images = nn.Conv2d(2, 4, 3), torch.zeros(1, 2, 5, 5)
        >>> columns(find_layers(nn.Sequential(convolution)).layers[0], images, convolution(images)).shape
        torch.Size([1, 18, 9])
    """
    module, inputs = layer.called, inputs.detach().cpu().float()
    if isinstance(module, nn.Linear):
        rows = inputs.reshape(len(inputs), -1, inputs.shape[-1])
        return (rows if chosen is None else rows[:, chosen]).reshape(1, -1, inputs.shape[-1]).mT
    transposed, kernel = layer.layout.transposed, layer.weight.dim() - 2
    windows = _transposed_windows(module, inputs, output.shape[2:]) if transposed else _windows(module, inputs)
    if chosen is not None:
        # Of NumPy: torch's own loads sympy first, for seconds.
        places = map(torch.from_numpy, np.unravel_index(chosen.numpy(), windows.shape[2:-kernel]))
        index: tuple[slice | Tensor, ...] = (slice(None), slice(None), *places)
        windows = windows[index]
    if transposed:
        windows = windows.flip(list(range(-kernel, 0)))
    axes = windows.dim() - 2 - kernel
    count, channels, *rest = windows.shape
    split = windows.reshape(count, groups(layer), channels // groups(layer), *rest)
    order = (1, 2, *range(3 + axes, 3 + axes + kernel), 0, *range(3, 3 + axes))
    return split.permute(order).reshape(groups(layer), layer.weights_per_channel, -1)


def _windows(module: Any, inputs: Tensor) -> Tensor:
    """Return [N, inputs, *positions, *kernel], the windows that a convolution reads."""
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    inputs = F.pad(inputs, module._reversed_padding_repeated_twice, mode)
    return _unfolded(inputs, module.kernel_size, module.stride, module.dilation)


def _transposed_windows(module: Any, inputs: Tensor, positions: Sequence[int]) -> Tensor:
    """Return the windows of a convolution of zero-spaced inputs, which is the transposed one with a reversed kernel."""
    stride = tuple(module.stride)
    sizes = [(n - 1) * step + 1 for n, step in zip(inputs.shape[2:], stride, strict=True)]
    spread = inputs.new_zeros(*inputs.shape[:2], *sizes)
    spread[(slice(None), slice(None), *(slice(None, None, step) for step in stride))] = inputs
    axes = zip(sizes, positions, module.kernel_size, module.dilation, module.padding, strict=True)
    padding: list[int] = []
    for length, wanted, kernel, dilation, cut in axes:
        before = dilation * (kernel - 1) - cut
        padding = [before, wanted + dilation * (kernel - 1) - before - length, *padding]
    return _unfolded(F.pad(spread, padding), module.kernel_size, [1] * len(positions), module.dilation)


def _unfolded(inputs: Tensor, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Tensor:
    for axis, (size, step, spacing) in enumerate(zip(kernel, stride, dilation, strict=True), start=2):
        inputs = inputs.unfold(axis, spacing * (size - 1) + 1, step)[..., ::spacing]
    return inputs
