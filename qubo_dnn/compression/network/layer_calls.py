"""Record the inputs and outputs of layers during a run, and compute the effect of other weights on the outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from qubo_dnn.compression.network.layers import Layer
from qubo_dnn.compression.network.operators import call_hooks
from qubo_dnn.errors import ModelError

_Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
_Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
_TRANSPOSED: dict[int, Callable[..., Tensor]] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer.

    Attributes:
        module: the module that was called.
        inputs: input of the layer, detached, [N, ...].
        output: output of the layer, part of the autograd graph.

    Example:
        >>> call = Call(nn.Linear(3, 2), inputs=torch.zeros(5, 3), output=torch.zeros(5, 2))
        >>> call.output.shape
        torch.Size([5, 2])
    """

    module: nn.Module
    inputs: Tensor
    output: Tensor


def images_first(module: nn.Module, inputs: Tensor, output: Tensor, images: int) -> bool:
    """Return whether the first axis of a call's input and output may be that of the images.

    Layers also take a single image without a batch axis, whose first axis may have any length.

    Example:
        >>> images_first(nn.Linear(3, 2), torch.zeros(5, 3), torch.zeros(5, 2), images=5)
        True
    """
    if len(inputs) != images or len(output) != images:
        return False
    if isinstance(module, nn.Embedding):
        return True
    axes = 2 if isinstance(module, nn.Linear) else module.get_parameter("weight").dim()
    return inputs.dim() >= axes and output.dim() == inputs.dim()


@contextmanager
def recorded(layers: Sequence[Layer], images: int) -> Iterator[list[list[Call]]]:
    """Record the calls of every layer while the network runs on `images` images; one list per layer.

    Layers that are not measured by calls have empty lists.

    Raises:
        ModelError: (during the run) a layer computes without gradients, or its batch axis is not that of the images.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network = nn.Sequential(nn.Linear(3, 2))
        >>> with recorded(find_layers(network).layers, images=5) as calls:
        ...     _ = network(torch.zeros(5, 3))
        >>> calls[0][0].inputs.shape
        torch.Size([5, 3])
    """
    calls: list[list[Call]] = [[] for _ in layers]

    def recorder(layer: Layer, made: list[Call]) -> Callable[..., Tensor]:
        def record(module: nn.Module, args: tuple[Tensor, ...], kwargs: Mapping[str, Tensor], output: Tensor) -> Tensor:
            inputs = input_of(args, kwargs)
            if not torch.is_grad_enabled():
                raise ModelError(f"the network runs the layer {layer.name!r} without gradients, as under no_grad")
            if not images_first(module, inputs, output, images):
                raise ModelError(
                    f"the network calls the layer {layer.name!r} with an input of shape {tuple(inputs.shape)} "
                    f"for {images} images; the first axis has to be the images"
                )
            if not output.requires_grad:
                output.requires_grad_()
            # Copies, so that in-place operations around the layer cannot change the record.
            made.append(Call(module, inputs.detach().clone(), output))
            return output.clone()

        return record

    with call_hooks(
        (layer, recorder(layer, made)) for layer, made in zip(layers, calls, strict=True) if layer.by_calls
    ):
        yield calls


def input_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the first argument of a call, positional or keyword; None if the call has no argument.

    Example:
        >>> input_of((1, 2), {}), input_of((), {"input": 3})
        (1, 3)
    """
    return args[0] if args else next(iter(kwargs.values()), None)


def by_channel(layer: Layer, call: Call, output: Tensor) -> Tensor:
    """Reshape the output of a call, or a tensor of that shape, to [N, channels, positions].

    A table has one option for all rows, so that its outputs need not be told apart: [N, 1, positions].

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> layer = find_layers(nn.Sequential(nn.Conv2d(1, 4, 3))).layers[0]
        >>> call = Call(layer.module, torch.zeros(5, 1, 8, 8), torch.zeros(5, 4, 6, 6))
        >>> by_channel(layer, call, call.output).shape
        torch.Size([5, 4, 36])
    """
    if layer.is_table:
        return output.reshape(len(output), 1, -1)
    channels_first = output.movedim(-1, 1) if isinstance(call.module, nn.Linear) else output
    return channels_first.reshape(len(output), channels_first.shape[1], -1)


def responses(layer: Layer, call: Call, changes: Tensor) -> Tensor:
    """Return the derivative of the layer's output along changes of its weight.

    Args:
        layer: a layer that is measured by calls.
        call: a recorded call of the layer.
        changes: [K, *weight.shape] changes of the weight.

    Returns:
        [N, channels, K, positions] in the dtype of the output, see `by_channel`.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network, images = nn.Sequential(nn.Linear(3, 2)), torch.ones(5, 3)
        >>> layer = find_layers(network).layers[0]
        >>> call = Call(layer.module, images, network(images))
        >>> responses(layer, call, torch.ones(1, 2, 3))[0, :, 0, 0].tolist()  # every output grows by 3
        [3.0, 3.0]
    """
    inputs = call.inputs
    if layer.is_table:
        changed = [
            F.embedding(inputs, change.to(call.output.dtype))
            if isinstance(call.module, nn.Embedding)
            else F.linear(inputs, change.to(inputs.dtype))
            for change in changes
        ]
        return torch.stack([by_channel(layer, call, each) for each in changed], 2)
    changes = changes.to(inputs.dtype)
    # One call for all options; the options of a channel are adjacent, so that groups of channels stay together.
    axis = 1 if layer.layout.transposed else 0
    outputs = _linear_map(call, changes.movedim(0, axis + 1).flatten(axis, axis + 1))
    return by_channel(layer, call, outputs).reshape(len(inputs), layer.channels, len(changes), -1)


def removed(layer: Layer, call: Call) -> Tensor | None:
    """Return the `responses` to removing the weight, [N, channels, positions], from the recorded output.

    None if the output has a bias, because subtracting it would lose digits.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network, images = nn.Sequential(nn.Linear(3, 2, bias=False)), torch.ones(5, 3)
        >>> call = Call(network[0], images, network(images))
        >>> removed(find_layers(network).layers[0], call).flatten(1).equal(-call.output)
        True
    """
    if getattr(call.module, "bias", None) is not None:
        return None
    return -by_channel(layer, call, call.output.detach())


def _linear_map(call: Call, weight: Tensor) -> Tensor:
    """Apply the module of a call to its inputs with another weight, of any number of channels, and without bias."""
    module, inputs = call.module, call.inputs
    if isinstance(module, _Convolution):
        convolved: Tensor = module._conv_forward(inputs, weight, None)
        return convolved
    if not isinstance(module, _Transposed):
        return F.linear(inputs, weight)
    # The caller may request an output size; the recorded output has it.
    extra = [
        wanted - ((n - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1)
        for wanted, n, stride, padding, dilation, kernel in zip(
            call.output.shape[2:],
            inputs.shape[2:],
            module.stride,
            module.padding,
            module.dilation,
            module.kernel_size,
            strict=True,
        )
    ]
    transposed = _TRANSPOSED[len(extra)]
    return transposed(inputs, weight, None, module.stride, module.padding, extra, module.groups, module.dilation)
