"""The layers of a network that can be compressed, and the others with the reason why they cannot."""

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
# Their few weights, one per channel or feature, stay float32 like biases.
_NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
_NAMED = 3  # modules spelled out in a message


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer whose weight can be compressed.

    Attributes:
        name: name of the module, as in `named_modules`.
        module: the module.
        weight: the parameter of the module; see `layout`.

    Example:
        >>> layer = find_layers(nn.Sequential(nn.Conv2d(3, 8, 5))).layers[0]
        >>> layer.key, layer.channels, layer.weights_per_channel
        ('0.weight', 8, 75)
    """

    name: str
    module: nn.Module
    weight: nn.Parameter

    @property
    def linear_in_weight(self) -> bool:
        """True if the code of torch computes the output; a subclass or a replaced `forward` may do anything."""
        return "forward" not in vars(self.module) and type(self.module).forward in _FORWARDS

    @property
    def key(self) -> str:
        """Name of the weight in the model's `state_dict`."""
        return f"{self.name}.weight" if self.name else "weight"

    @cached_property
    def layout(self) -> Layout:
        """Positions of the weights of an output channel in the weight."""
        transposed = self.module.groups if isinstance(self.module, _TRANSPOSED) else 0
        return Layout(tuple(self.weight.shape), transposed)

    @property
    def channels(self) -> int:
        """Number of output channels."""
        return self.layout.channels

    @property
    def weights_per_channel(self) -> int:
        """Number of weights of one output channel."""
        return self.layout.weights_per_channel

    def rows(self, tensor: Tensor) -> Tensor:
        """Reshape `[..., *weight.shape]` to `[..., channels, weights_per_channel]`."""
        return self.layout.rows(tensor)


@dataclass(frozen=True)
class LeftAlone:
    """A module whose weights are not compressed.

    Attributes:
        name: name of the module.
        type: name of its class.
        reason: the reason, as a phrase.

    Example:
        >>> print(find_layers(nn.Sequential(nn.Linear(3, 2), nn.Embedding(9, 3))).left_alone[0])
        1 (Embedding): not a Linear, Conv or ConvTranspose layer
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
        layers: the layers that can be compressed.
        left_alone: the other modules with weights; normalisation layers and biases are not listed.

    Example:
        >>> inventory = find_layers(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)))
        >>> inventory.weights, [layer.name for layer in inventory.without({"0": "skipped"}).layers]
        (8, ['2'])
    """

    model: nn.Module
    layers: tuple[Layer, ...]
    left_alone: tuple[LeftAlone, ...]

    @property
    def weights(self) -> int:
        """Number of weights that can be compressed."""
        return sum(layer.weight.numel() for layer in self.layers)

    def without(self, skipped: Mapping[str, str]) -> Inventory:
        """Move the named layers to `left_alone`, each with its reason.

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
        """Return the same layers of a copy of the network."""
        layers = tuple(
            Layer(layer.name, copied.get_submodule(layer.name), copied.get_parameter(layer.key))
            for layer in self.layers
        )
        return replace(self, model=copied, layers=layers)


def find_layers(model: nn.Module) -> Inventory:
    """Find the Linear, Conv and ConvTranspose layers that can be compressed, and the other modules with weights.

    Raises:
        ModelError: no layer can be compressed; the message lists the modules found.

    Example:
        >>> inventory = find_layers(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2)))
        >>> [layer.name for layer in inventory.layers]
        ['0', '2']
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
    """Return why the weights of `module` itself cannot be compressed; None if they can or do not exist."""
    own = dict(module.named_parameters(recurse=False))
    if not isinstance(module, _COMPRESSIBLE):
        # The parts of a parametrized weight are reported once, with their layer.
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
