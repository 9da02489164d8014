"""The weights of a network that can be compressed, and the others with the reason why they cannot.

A weight is a parameter viewed as a matrix [output units, inputs]: the channels of a convolution, the rows of an
embedding table, the rows of every gate of an LSTM. Several modules may own it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.parameter import is_lazy

from qubo_dnn.compression.network.weight_layout import Layout
from qubo_dnn.compression.task.granularity import group_size
from qubo_dnn.errors import ModelError

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_LINEAR = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, *_TRANSPOSED)
_TABLES = (nn.Embedding, nn.EmbeddingBag)
_FORWARDS = tuple(kind.forward for kind in (*_LINEAR, nn.Embedding))
_GATES = {nn.LSTM: 4, nn.LSTMCell: 4, nn.GRU: 3, nn.GRUCell: 3}
# Their few weights, one per channel or feature, stay float32 like biases.
_NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
_NAMED = 3  # modules spelled out in a message


@dataclass(frozen=True, eq=False)
class Layer:
    """A weight that can be compressed.

    Attributes:
        name: name of its module, as in `named_modules`; if it is not the module's `weight`, the `key`.
        key: its name in the `state_dict` of the network; the first one if it is shared.
        weight: the parameter; see `layout`.
        modules: the modules that own it; several if it is shared.
        by_calls: True if it is measured by recorded calls, many images at a time; False: by gradients with respect to
            the parameter, image by image, however it is used.
        by_operator: True if these are calls of an operator that is given the weight, not of its modules; see
            `qubo_dnn.compression.network.operators`.

    Example:
        >>> layer = find_layers(nn.Sequential(nn.Conv2d(3, 8, 5))).layers[0]
        >>> layer.key, layer.channels, layer.weights_per_channel
        ('0.weight', 8, 75)
    """

    name: str
    key: str
    weight: nn.Parameter
    modules: tuple[nn.Module, ...]
    by_calls: bool
    by_operator: bool = False

    @property
    def module(self) -> nn.Module:
        """The first module that owns the weight."""
        return self.modules[0]

    @cached_property
    def called(self) -> nn.Module:
        """The module whose calls are recorded: the first one, or a plain one that takes an operator's padded input.

        Example:
            >>> layer = find_layers(nn.Sequential(nn.Conv2d(3, 8, 5, padding=2))).by_operators(["0"]).layers[0]
            >>> layer.module.padding, layer.called.padding, layer.called.weight is layer.weight
            ((2, 2), (0, 0), True)
        """
        if not self.by_operator:
            return self.module
        given: Any = self.module
        bias = given.bias is not None
        kind: Any = next(each for each in _LINEAR if isinstance(given, each))
        if kind is nn.Linear:
            plain = nn.Linear(given.in_features, given.out_features, bias, "meta")
        else:
            sizes = (given.in_channels, given.out_channels, given.kernel_size, given.stride, 0, given.dilation)
            plain = kind(*sizes, given.groups, bias, device="meta")
        plain.weight, plain.bias = self.weight, given.bias
        return plain.eval()

    @property
    def is_table(self) -> bool:
        """True if a module looks rows up in the weight.

        Rows that the calibration data do not use have no measured effect, so that all rows have one option.
        """
        return any(isinstance(module, _TABLES) for module in self.modules)

    @property
    def parts(self) -> int:
        """Number of equal parts of the output channels with different roles: gates, or query, key and value."""
        attribute = self.key.rpartition(".")[2]
        if attribute.startswith(("weight_ih", "weight_hh")):
            return next((count for kind, count in _GATES.items() if isinstance(self.module, kind)), 1)
        return 3 if attribute == "in_proj_weight" and isinstance(self.module, nn.MultiheadAttention) else 1

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

    def group(self, granularity: str) -> int:
        """Return the number of channels with one option; a unit lies within one gate, and a table is one unit.

        Args:
            granularity: see `qubo_dnn.compression.task.granularity`; "layer" is of a gate.

        Raises:
            OptionError: `granularity` is none of these.

        Example:
            >>> lstm = find_layers(nn.LSTM(5, 6)).layers[0]
            >>> lstm.channels, lstm.group("layer"), lstm.group("group:4"), lstm.group("channel")
            (24, 6, 3, 1)
        """
        part = self.channels // self.parts
        size = group_size(granularity, part)
        if self.is_table:
            return self.channels
        return size if self.parts == 1 else next(each for each in range(size, 0, -1) if part % each == 0)


@dataclass(frozen=True)
class LeftAlone:
    """A weight that is not compressed.

    Attributes:
        name: name of its module, or its key; see `Layer`.
        type: class of its module.
        reason: the reason, as a phrase.

    Example:
        >>> model = nn.Sequential(nn.Linear(3, 2), nn.Embedding(9, 3, max_norm=1.0))
        >>> print(find_layers(model).left_alone[0])
        1 (Embedding): its rows are changed whenever they are read (max_norm)
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
        layers: the weights that can be compressed.
        left_alone: the other ones; normalisation layers, biases and other vectors are not listed.

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

    def not_by_calls(self, names: Iterable[str]) -> Inventory:
        """Return the same layers, of which the named ones are measured through their parameter."""
        return self._with(names, by_calls=False)

    def by_operators(self, names: Iterable[str]) -> Inventory:
        """Return the same layers, of which the named ones are measured by calls of operators."""
        return self._with(names, by_calls=True)

    def _with(self, names: Iterable[str], by_calls: bool) -> Inventory:
        chosen = set(names)
        layers = tuple(
            replace(each, by_calls=by_calls, by_operator=by_calls) if each.name in chosen else each
            for each in self.layers
        )
        return replace(self, layers=layers)

    def of(self, copied: nn.Module) -> Inventory:
        """Return the same layers of a copy of the network."""
        copies = dict(zip(self.model.modules(), copied.modules(), strict=True))
        layers = tuple(
            replace(
                layer,
                weight=copied.get_parameter(layer.key),
                modules=tuple(copies[module] for module in layer.modules),
            )
            for layer in self.layers
        )
        return replace(self, model=copied, layers=layers)


def find_layers(model: nn.Module) -> Inventory:
    """Find the weights that can be compressed, and the others: floating-point parameters of at least two axes.

    Raises:
        ModelError: no weight can be compressed; the message lists those found.

    Example:
        >>> inventory = find_layers(nn.Sequential(nn.Embedding(9, 4), nn.LSTM(4, 5), nn.Linear(5, 2)))
        >>> [layer.name for layer in inventory.layers]
        ['0', '1.weight_ih_l0', '1.weight_hh_l0', '2']
    """
    owners: dict[int, list[nn.Module]] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(module)
    layers, left_alone = [], []
    for key, parameter in model.named_parameters():
        modules = tuple(dict.fromkeys(owners[id(parameter)]))
        where, _, attribute = key.rpartition(".")
        if not _is_weight(modules[0], attribute, parameter):
            continue
        name = where if attribute == "weight" else key
        if reason := _reason_to_leave(modules, parameter):
            left_alone.append(LeftAlone(name, type(modules[0]).__name__, reason))
        else:
            layers.append(Layer(name, key, parameter, modules, _may_be_called(modules, attribute)))
    if not layers:
        raise _nothing_left(left_alone)
    return Inventory(model, tuple(layers), tuple(left_alone))


def _nothing_left(left_alone: Sequence[LeftAlone]) -> ModelError:
    found = [str(skipped) for skipped in left_alone[:_NAMED]]
    if len(left_alone) > _NAMED:
        found.append(f"and {len(left_alone) - _NAMED} more")
    return ModelError(f"no weight can be compressed{': ' * bool(found)}{'; '.join(found)}")


def _is_weight(module: nn.Module, attribute: str, parameter: nn.Parameter) -> bool:
    """Return whether a parameter is a matrix rather than a bias, a scale or the like."""
    if isinstance(module, _NORMS):
        return False
    if is_lazy(parameter):
        return attribute == "weight"
    if attribute == "weight" and isinstance(module, (*_LINEAR, *_TABLES)):
        return True
    return sum(length != 1 for length in parameter.shape) > 1


def _reason_to_leave(modules: Sequence[nn.Module], weight: nn.Parameter) -> str | None:
    """Return why a weight cannot be compressed; None if it can."""
    if is_lazy(weight):
        return "its weight has no shape yet (lazy module): run one batch first"
    if weight.is_meta:
        return "its weight has no data (meta device)"
    if not weight.is_floating_point() or torch.finfo(weight.dtype).bits < 16:
        return f"its weight is {str(weight.dtype).removeprefix('torch.')}"
    if not weight.numel():
        return "its weight is empty"
    if any(isinstance(module, _TABLES) and module.max_norm is not None for module in modules):
        return "its rows are changed whenever they are read (max_norm)"
    if len(weight) == 1 and not isinstance(modules[0], _LINEAR):
        return "its first axis has length 1, so that it has no rows"
    return None


def _may_be_called(modules: Sequence[nn.Module], attribute: str) -> bool:
    """Return whether the effect of a weight is known from calls of its modules alone, if nothing else reads it.

    A subclass or a replaced `forward` may do anything, an attention module reads the weight of its `out_proj` without
    calling it, and layers of different kinds may read a shared weight in different layouts.
    """
    kinds = {type(module) for module in modules if not isinstance(module, nn.Embedding)}
    plain = all("forward" not in vars(module) and type(module).forward in _FORWARDS for module in modules)
    attention = any(isinstance(module, NonDynamicallyQuantizableLinear) for module in modules)
    table = len(kinds) < len({type(module) for module in modules})
    return attribute == "weight" and plain and not attention and len(kinds) <= 1 and not (table and kinds - {nn.Linear})
