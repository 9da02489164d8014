"""Which weights of a network can be compressed, and which are left alone and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.parameter import is_lazy

from qubo_dnn.compression.network.weight_layout import Layout
from qubo_dnn.errors import ModelError

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_COMPRESSIBLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, *_TRANSPOSED)
_FORWARDS = tuple(kind.forward for kind in _COMPRESSIBLE)
# Their weights are per channel or feature, few, and stay float32 as biases do.
_NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
_NAMED = 3  # modules spelled out in a message


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer whose weight can be compressed.

    Attributes:
        name: of the module, as `named_modules` has it.
        module: the module itself.
        weight: its parameter; see `layout`.
    """

    name: str
    module: nn.Module
    weight: nn.Parameter

    @property
    def linear_in_weight(self) -> bool:
        """Return whether torch's own code computes the output; a subclass or a replaced `forward` may do anything."""
        return "forward" not in vars(self.module) and type(self.module).forward in _FORWARDS

    @property
    def key(self) -> str:
        """Name of the weight in the model's `state_dict`."""
        return f"{self.name}.weight" if self.name else "weight"

    @cached_property
    def layout(self) -> Layout:
        """Where the weights of an output channel stand in the weight."""
        transposed = self.module.groups if isinstance(self.module, _TRANSPOSED) else 0
        return Layout(tuple(self.weight.shape), transposed)

    @property
    def channels(self) -> int:
        """Output channels."""
        return self.layout.channels

    @property
    def weights_per_channel(self) -> int:
        """Weights of one output channel."""
        return self.layout.weights_per_channel

    def rows(self, tensor: Tensor) -> Tensor:
        """A tensor of the weight's shape, further axes before it allowed, as `[..., channels, weights_per_channel]`."""
        return self.layout.rows(tensor)


@dataclass(frozen=True)
class LeftAlone:
    """A module whose weights stay as they are.

    Attributes:
        name: of the module.
        type: its class.
        reason: why, as a phrase.
    """

    name: str
    type: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name or 'the model'} ({self.type}): {self.reason}"


@dataclass(frozen=True, eq=False)
class Inventory:
    """The layers of a network, in module order.

    Attributes:
        model: the network.
        layers: those that can be compressed.
        left_alone: the other modules that carry weights; normalisation layers and biases do not count as such.
    """

    model: nn.Module
    layers: tuple[Layer, ...]
    left_alone: tuple[LeftAlone, ...]

    @property
    def weights(self) -> int:
        """Number of weights that can be compressed."""
        return sum(layer.weight.numel() for layer in self.layers)

    def without(self, skipped: Mapping[str, str]) -> Inventory:
        """The inventory with the layers of these names among those left alone, each with its reason.

        Raises:
            ModelError: no layer remains.
        """
        kept = tuple(layer for layer in self.layers if layer.name not in skipped)
        further = tuple(
            LeftAlone(layer.name, type(layer.module).__name__, skipped[layer.name])
            for layer in self.layers
            if layer.name in skipped
        )
        left_alone = (*self.left_alone, *further)
        if not kept:
            raise _nothing_left(left_alone)
        return replace(self, layers=kept, left_alone=left_alone)

    def of(self, copied: nn.Module) -> Inventory:
        """The same layers of a copy of the network."""
        layers = tuple(
            Layer(layer.name, copied.get_submodule(layer.name), copied.get_parameter(layer.key))
            for layer in self.layers
        )
        return replace(self, model=copied, layers=layers)


def find_layers(model: nn.Module) -> Inventory:
    """Every Linear, Conv and ConvTranspose layer whose weight can be compressed, and what else carries weights.

    Raises:
        ModelError: no layer can be compressed; the text says what was found instead.
    """
    owners: dict[int, list[str]] = {}
    for key, parameter in model.named_parameters(remove_duplicate=False):
        owners.setdefault(id(parameter), []).append(key)
    layers, left_alone = [], []
    for name, module in model.named_modules():
        reason = _reason_to_leave(name, module, owners)
        if reason:
            left_alone.append(LeftAlone(name, type(module).__name__, reason))
        elif isinstance(module, _COMPRESSIBLE):
            layers.append(Layer(name, module, module.get_parameter("weight")))
    if not layers:
        raise _nothing_left(left_alone)
    return Inventory(model, tuple(layers), tuple(left_alone))


def _nothing_left(left_alone: Sequence[LeftAlone]) -> ModelError:
    found = [str(skipped) for skipped in left_alone[:_NAMED]]
    if len(left_alone) > _NAMED:
        found.append(f"and {len(left_alone) - _NAMED} more")
    return ModelError(f"no Linear, Conv or ConvTranspose layer can be compressed{': ' * bool(found)}{'; '.join(found)}")


def _reason_to_leave(name: str, module: nn.Module, owners: dict[int, list[str]]) -> str | None:
    """Why the weights of `module` itself, not of its children, stay as they are; None if they need not or are none."""
    own = dict(module.named_parameters(recurse=False))
    if not isinstance(module, _COMPRESSIBLE):
        # The pieces of a parametrized weight are reported once, with the layer they make up.
        bare = any(is_lazy(parameter) or parameter.dim() > 1 for parameter in own.values())
        piece = isinstance(module, nn.utils.parametrize.ParametrizationList)
        return None if not bare or piece or isinstance(module, _NORMS) else "not a Linear, Conv or ConvTranspose layer"
    weight = own.get("weight")
    if weight is None:
        return "its weight is computed from other tensors (parametrized, weight-normed or masked)"
    if is_lazy(weight):
        return "its weight has no shape yet (lazy module): run one batch first"
    if weight.is_meta:
        return "its weight has no data (meta device)"
    key = f"{name}.weight" if name else "weight"
    others = [other for other in owners[id(weight)] if other != key]
    if others:
        return f"its weight is shared with {others[0]}"
    if isinstance(module, NonDynamicallyQuantizableLinear):
        return "its attention module reads the weight without calling it"
    if not weight.is_floating_point() or torch.finfo(weight.dtype).bits < 16:
        return f"its weight is {str(weight.dtype).removeprefix('torch.')}"
    return None if weight.numel() else "its weight is empty"
