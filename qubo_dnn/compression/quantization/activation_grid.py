"""Grids of activations, and the hooks that round what a layer reads to its grid.

Source: Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only
inference"; Bengio et al. 2013, "Estimating or propagating gradients through stochastic neurons" (straight-through
estimator).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from qubo_dnn.errors import ModelError


@dataclass(frozen=True)
class ActivationGrid:
    """The numbers `scale * (code - zero)` with codes from 0 to 2**bits - 1; 0 is one of them.

    Attributes:
        bits: 2 to 8.
        scale: step of the grid, > 0, a float32 number.
        zero: code of the number 0.

    Example:
        >>> grid = ActivationGrid.over(0.0, 3.0, bits=2)
        >>> grid(torch.tensor([-1.0, 0.4, 0.6, 9.0])).tolist(), grid.low, grid.high
        ([0.0, 0.0, 1.0, 3.0], 0.0, 3.0)
    """

    bits: int
    scale: float
    zero: int

    @classmethod
    def over(cls, low: float, high: float, bits: int) -> Self:
        """Return the grid over a range, which is extended to contain 0 and moved by less than a step.

        Example:
            >>> ActivationGrid.over(-1.0, 2.0, bits=2)
            ActivationGrid(bits=2, scale=1.0, zero=1)
        """
        low, high, last = min(low, 0.0), max(high, 0.0), 2**bits - 1
        scale = float(torch.tensor((high - low) / last, dtype=torch.float32)) or 1.0
        return cls(bits, scale, min(max(round(-low / scale), 0), last))

    @property
    def low(self) -> float:
        """The least number."""
        return (0 - self.zero) * self.scale

    @property
    def high(self) -> float:
        """The largest number."""
        return ((1 << self.bits) - 1 - self.zero) * self.scale

    def __call__(self, values: Tensor) -> Tensor:
        """Round numbers to the grid, and numbers beyond it to its ends.

        The gradient is that of the identity, but zero for numbers more than half a step beyond the ends.
        """
        rounded: Tensor = _Rounded.apply(values, self.scale, self.zero, 2**self.bits - 1)  # type: ignore[no-untyped-call]  # torch has no types here
        return rounded


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: float, zero: int, last: int) -> Tensor:
        # As QuantizeLinear and DequantizeLinear of ONNX compute it.
        codes = values.float().div(scale).round_().add_(zero)
        ctx.save_for_backward((codes >= 0) & (codes <= last))
        return codes.clamp_(0, last).sub_(zero).mul_(scale).to(values.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (passes,) = ctx.saved_tensors
        return gradients[0] * passes, None, None, None


@dataclass(frozen=True)
class ActivationQuantizer:
    """A forward pre-hook that rounds the first argument of a module to a grid; copies of the module keep it.

    Example:
        >>> layer = nn.Identity()
        >>> _ = layer.register_forward_pre_hook(ActivationQuantizer(ActivationGrid(2, 1.0, 0)), with_kwargs=True)
        >>> layer(torch.tensor(2.4)).item()
        2.0
    """

    grid: ActivationGrid

    def __call__(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            return (self.grid(args[0]), *args[1:]), kwargs
        name, given = next(iter(kwargs.items()))
        return args, kwargs | {name: self.grid(given)}


def set_activation_grids_(model: nn.Module, grids: Mapping[str, ActivationGrid]) -> None:
    """Round what some layers read to grids, and what all others read no longer, in place.

    Args:
        model: the network.
        grids: name of a layer -> its grid; all modules that share its weight are meant.

    Raises:
        ModelError: there is no module of a name; the network is then unchanged.

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 2))
        >>> set_activation_grids_(network, {"0": ActivationGrid(8, 0.5, 128)})
        >>> activation_grids(network)
        {'0': ActivationGrid(bits=8, scale=0.5, zero=128)}
        >>> set_activation_grids_(network, {})
        >>> activation_grids(network)
        {}
    """
    modules = {name: _sharing(model, name) for name in grids}
    for module in model.modules():
        for key in [key for key, hook in module._forward_pre_hooks.items() if isinstance(hook, ActivationQuantizer)]:
            del module._forward_pre_hooks[key]
            module._forward_pre_hooks_with_kwargs.pop(key, None)
    for name, sharing in modules.items():
        for module in sharing:
            # Before all other hooks, which then see what the layer reads.
            module.register_forward_pre_hook(ActivationQuantizer(grids[name]), with_kwargs=True, prepend=True)


def activation_grids(model: nn.Module) -> dict[str, ActivationGrid]:
    """Return name of a layer -> the grid that it reads its input on; see `set_activation_grids_`.

    A weight that several modules share has the name of the first one.

    Example:
        >>> activation_grids(nn.Sequential(nn.Linear(3, 2)))
        {}
    """
    found: dict[str, ActivationGrid] = {}
    seen: set[int] = set()
    for name, module in model.named_modules():
        weight = id(module._parameters.get("weight", module))
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, ActivationQuantizer) and weight not in seen:
                found[name] = hook.grid
                seen.add(weight)
    return found


@contextmanager
def without_activation_grids(*models: nn.Module) -> Iterator[None]:
    """Leave what the layers of networks read as it is, until the block ends.

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 2))
        >>> set_activation_grids_(network, {"0": ActivationGrid(8, 0.5, 128)})
        >>> with without_activation_grids(network):
        ...     inside = activation_grids(network)
        >>> inside, list(activation_grids(network))
        ({}, ['0'])
    """
    grids = [activation_grids(model) for model in models]
    try:
        for model in models:
            set_activation_grids_(model, {})
        yield
    finally:
        for model, before in zip(models, grids, strict=True):
            set_activation_grids_(model, before)


def _sharing(model: nn.Module, name: str) -> list[nn.Module]:
    """Return the module of a name and those that share its weight.

    Raises:
        ModelError: there is no module of this name.
    """
    try:
        module = model.get_submodule(name)
    except AttributeError as cause:
        raise ModelError(f"there is no layer {name!r}, whose input is quantized") from cause
    weight = module._parameters.get("weight")
    if weight is None:
        return [module]
    return [each for each in model.modules() if each._parameters.get("weight") is weight]
