"""Calls of layers while a network runs: what went in, what came out, and what other weights would add to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from qubo_dnn.compression.network.hooks import forward_hooks
from qubo_dnn.compression.network.layers import Layer
from qubo_dnn.compression.network.user_code import foreign_code
from qubo_dnn.errors import ModelError

_Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
_Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
_TRANSPOSED: dict[int, Callable[..., Tensor]] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer.

    Attributes:
        inputs: what went in, detached, [N, ...].
        output: what came out, part of the autograd graph.
    """

    inputs: Tensor
    output: Tensor


@contextmanager
def recorded(layers: Sequence[Layer], images: int) -> Iterator[list[list[Call]]]:
    """The calls of every layer, one list for each, filled while the network runs on `images` images.

    Raises:
        ModelError: (while it runs) a layer computes without gradients, or its batch axis is not that of the images.
    """
    calls: list[list[Call]] = [[] for _ in layers]

    def recorder(layer: Layer, made: list[Call]) -> Callable[..., Tensor]:
        def record(_: nn.Module, args: tuple[Tensor, ...], kwargs: Mapping[str, Tensor], output: Tensor) -> Tensor:
            inputs = input_of(args, kwargs)
            if not torch.is_grad_enabled():
                raise ModelError(f"the network runs the layer {layer.name!r} without gradients, as under no_grad")
            # Layers also take a single image without a batch axis, whose first axis may have any length.
            axes = 2 if isinstance(layer.module, nn.Linear) else layer.weight.dim()
            if len(inputs) != images or inputs.dim() < axes or output.dim() != inputs.dim():
                raise ModelError(
                    f"the network calls the layer {layer.name!r} with an input of shape {tuple(inputs.shape)} "
                    f"for {images} images; the first axis has to be the images"
                )
            if not output.requires_grad:
                output.requires_grad_()
            # Copies, so that in-place operations around the layer cannot change what is on record.
            made.append(Call(inputs.detach().clone(), output))
            return output.clone()

        return record

    with forward_hooks((layer.module, recorder(layer, made)) for layer, made in zip(layers, calls, strict=True)):
        yield calls


def input_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The first argument of a call, however it was given; None if there is none."""
    return args[0] if args else next(iter(kwargs.values()), None)


def by_channel(layer: Layer, output: Tensor) -> Tensor:
    """An output of the layer, or a tensor like it, as [N, channels, positions]."""
    channels_first = output.movedim(-1, 1) if isinstance(layer.module, nn.Linear) else output
    return channels_first.reshape(len(output), channels_first.shape[1], -1)


def responses(layer: Layer, call: Call, changes: Tensor) -> Tensor:
    """Derivative of the layer's output along changes of its weight.

    Args:
        layer: the layer.
        call: of it.
        changes: [K, *weight.shape].

    Returns:
        [N, channels, K, positions] in the dtype of the inputs.
    """
    module, inputs = layer.module, call.inputs
    changes = changes.to(inputs.dtype)
    if not layer.linear_in_weight:
        what = f"the layer {layer.name!r} ({type(module).__name__}) has no forward derivative, and has to be skipped"
        with foreign_code(ModelError, what):
            tangents = [_tangent(module, inputs, change) for change in changes]
        return torch.stack([by_channel(layer, tangent) for tangent in tangents], 2)
    # One call for all options, a channel's options side by side so that groups of channels stay together.
    axis = 1 if layer.layout.transposed else 0
    outputs = _linear_map(module, call, changes.movedim(0, axis + 1).flatten(axis, axis + 1))
    return by_channel(layer, outputs).reshape(len(inputs), layer.channels, len(changes), -1)


def removed(layer: Layer, call: Call) -> Tensor | None:
    """`responses` to the change that is minus the weight, [N, channels, positions], from the output there is.

    None where the output is not linear in the weight, or has a bias, whose subtraction would cost digits.
    """
    if not layer.linear_in_weight or layer.module.bias is not None:
        return None
    return -by_channel(layer, call.output.detach())


def _linear_map(module: nn.Module, call: Call, weight: Tensor) -> Tensor:
    """What the module makes of the call's inputs with another weight, of any number of channels, and no bias."""
    inputs = call.inputs
    if isinstance(module, _Convolution):
        convolved: Tensor = module._conv_forward(inputs, weight, None)
        return convolved
    if not isinstance(module, _Transposed):
        return F.linear(inputs, weight)
    # A caller may ask for an output size; the output on record knows what it came to.
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


def _tangent(module: nn.Module, inputs: Tensor, change: Tensor) -> Tensor:
    """Derivative of any module's output along a change of its parameter `weight`."""

    def run(weight: Tensor) -> Any:
        return functional_call(module, {"weight": weight}, (inputs,))

    tangent: Tensor = jvp(run, (module.get_parameter("weight").detach(),), (change,))[1]
    return tangent
