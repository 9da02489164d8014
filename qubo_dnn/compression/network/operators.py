"""Calls of the operators that read a weight, wherever the code of a network makes them.

A convolution that pads its input in its own `forward`, and code such as `F.linear(x, layer.weight, layer.bias)`, use a
weight as a plain layer would, but not by a call of one. Where the operator is given the very parameter, with the
strides, groups and bias of the module that owns it, its call is taken as one of a plain module, `Layer.called`, whose
input is padded already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)
from torch.overrides import TorchFunctionMode

from qubo_dnn.compression.network.hooks import Hook, forward_hooks
from qubo_dnn.compression.network.layers import Layer

_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_KINDS: dict[Callable[..., Tensor], type[nn.Module]] = {
    torch.conv1d: nn.Conv1d,
    torch.conv2d: nn.Conv2d,
    torch.conv3d: nn.Conv3d,
    F.linear: nn.Linear,
}


@dataclass(frozen=True, eq=False)
class OperatorCall:
    """One call of an operator.

    Attributes:
        operator: the function.
        given: its arguments by name.

    Example:
        >>> layer = nn.Conv2d(2, 4, 3, padding=1)
        >>> images = torch.zeros(1, 2, 5, 5)
        >>> call = OperatorCall(torch.conv2d, {"input": images, "weight": layer.weight, "padding": "same"})
        >>> call().shape, call.padded_input.shape
        (torch.Size([1, 4, 5, 5]), torch.Size([1, 2, 7, 7]))
    """

    operator: Callable[..., Tensor]
    given: Mapping[str, Any]

    def __call__(self) -> Tensor:
        """Compute the output."""
        return self.operator(**self.given)

    def is_of(self, layer: Layer) -> bool:
        """Return whether it has the strides, groups and bias of the layer's module."""
        module = layer.module
        same = self.given["weight"] is layer.weight and self.given.get("bias") is module._parameters.get("bias")
        if not (same and isinstance(module, _KINDS[self.operator])):
            return False
        if not isinstance(module, _CONVOLUTIONS):
            return True
        axes = layer.weight.dim() - 2
        numbers = (("stride", module.stride), ("dilation", module.dilation))
        return self.given.get("groups", 1) == module.groups and all(
            _per_axis(self.given.get(name, 1), axes) == tuple(owned) for name, owned in numbers
        )

    @property
    def padded_input(self) -> Tensor:
        """The input with the zeros that the operator surrounds it with."""
        inputs: Tensor = self.given["input"]
        axes, padding = self.given["weight"].dim() - 2, self.given.get("padding", 0)
        if padding == "same":
            spacing = _per_axis(self.given.get("dilation", 1), axes)
            needed = [step * (size - 1) for step, size in zip(spacing, self.given["weight"].shape[2:], strict=True)]
            around = [(each // 2, each - each // 2) for each in needed]
        else:
            around = [(each, each) for each in _per_axis(0 if padding == "valid" else padding, axes)]
        widths = [width for pair in reversed(around) for width in pair]
        return F.pad(inputs, widths) if any(widths) else inputs


_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def _per_axis(given: Any, axes: int) -> tuple[int, ...]:
    each = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    return each * axes if len(each) == 1 else each


@contextmanager
def intercepting(found: Iterable[tuple[Layer, Callable[[OperatorCall], Tensor]]]) -> Iterator[None]:
    """Let functions compute the operators that are given the weights of layers, until the block ends.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> layer = find_layers(nn.Sequential(nn.Linear(3, 2))).layers[0]
        >>> with intercepting([(layer, lambda call: -call())]):
        ...     F.linear(torch.ones(3), layer.weight).add(layer.weight.sum(1)).abs().max().item() < 1e-6
        True
    """
    runs = {id(layer.weight): run for layer, run in found}
    if not runs:
        yield
        return
    with _Intercepting(runs):
        yield


class _Intercepting(TorchFunctionMode):
    def __init__(self, runs: Mapping[int, Callable[[OperatorCall], Tensor]]) -> None:
        super().__init__()
        self._runs = runs

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _KINDS:
            given = dict(zip(_ARGUMENTS, args, strict=False)) | kwargs
            run = self._runs.get(id(given.get("weight")))
            if run is not None:
                return run(OperatorCall(func, given))
        return func(*args, **kwargs)


@contextmanager
def call_hooks(hooks: Iterable[tuple[Layer, Hook]]) -> Iterator[None]:
    """Call a hook after every call of a layer that is measured by calls, until the block ends.

    A hook is called as by `forward_hooks`; of an operator's call with `Layer.called` as the module and the padded
    input as the argument.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network = nn.Sequential(nn.Linear(3, 2))
        >>> layers = find_layers(network).by_operators(["0"]).layers
        >>> with call_hooks([(layers[0], lambda module, args, kwargs, output: print(tuple(args[0].shape)))]):
        ...     _ = F.linear(torch.zeros(5, 3), network[0].weight, network[0].bias)
        (5, 3)
    """
    given = list(hooks)
    with (
        forward_hooks((module, hook) for layer, hook in given if not layer.by_operator for module in layer.modules),
        intercepting((layer, _hooked(layer, hook)) for layer, hook in given if layer.by_operator),
    ):
        yield


def _hooked(layer: Layer, hook: Hook) -> Callable[[OperatorCall], Tensor]:
    def run(call: OperatorCall) -> Tensor:
        output = call()
        changed = hook(layer.called, (call.padded_input,), {}, output)
        return output if changed is None else changed

    return run
