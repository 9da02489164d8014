"""What layers and BatchNorms of the original network give and take, at some positions of every calibration image.

A least-squares fit of n weights needs a multiple of n samples, and a convolution has thousands of positions in every
image: so a part of them is drawn, the same ones in every image.
"""

from __future__ import annotations

import math
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.hooks import Hook, forward_hooks
from qubo_dnn.compression.network.inference import forward, inference
from qubo_dnn.compression.network.layer_calls import images_first, input_of
from qubo_dnn.compression.network.layers import Layer
from qubo_dnn.compression.network.operators import call_hooks
from qubo_dnn.compression.sensitivity.accumulator import GIB

_BATCH = 32
_SAMPLES, _SAMPLES_PER_WEIGHT = 8192, 8
# A fit of n weights takes n^2 operations for every sample, and means little with less than two samples for each: layers
# with more than some 5,000 weights per channel are left as they are.
_OPERATIONS, _FEWEST_PER_WEIGHT = 3e11, 2
# Of the memory: the reference outputs take this share, and the activations of all images in one batch take another.
_SHARE = 0.25
_COPIES = 4  # of the largest inputs and outputs of a module, while a network runs


@dataclass(frozen=True, eq=False)
class Wanted:
    """Values of one module of the original network.

    Attributes:
        axis: axis of the channels.
        positions: indices of the positions within one image, in the order of the flattened tensor without that axis.
        values: [images * positions, channels] float32 on the CPU.

    Example:
        >>> wanted = Wanted(1, torch.tensor([0, 3]), torch.zeros(10, 4))
        >>> wanted.of(torch.zeros(5, 4, 2, 2)).shape  # of five images
        torch.Size([10, 4])
    """

    axis: int
    positions: Tensor
    values: Tensor

    def of(self, tensor: Tensor) -> Tensor:
        """Return the same positions of a tensor of the same module in another network."""
        return at_positions(tensor, self.axis, self.positions)

    def matches(self, tensor: Tensor) -> bool:
        """Return whether a tensor has the number of images and channels of the original's."""
        if tensor.dim() <= self.axis or tensor[0].numel() <= int(self.positions.max()) * tensor.shape[self.axis]:
            return False
        return (len(tensor) * len(self.positions), tensor.shape[self.axis]) == tuple(self.values.shape)


@dataclass(frozen=True, eq=False)
class ReferenceOutputs:
    """Values of the original network, on the images that a fit uses.

    Attributes:
        data: the images.
        layers: layer name -> its outputs.
        norms: name of a BatchNorm -> its inputs.
        normed: names of the layers whose outputs are the inputs of a BatchNorm.

    Example:
        >>> def sampled(outputs: ReferenceOutputs) -> int:
        ...     return sum(len(wanted.values) for wanted in outputs.layers.values())
    """

    data: Data
    layers: Mapping[str, Wanted]
    norms: Mapping[str, Wanted]
    normed: frozenset[str]


def reference_outputs(
    model: nn.Module, layers: Sequence[Layer], norms: Mapping[str, nn.Module], data: Data, memory: float, seed: int
) -> ReferenceOutputs:
    """Record the outputs of layers and the inputs of BatchNorms; only of modules that are called once in every pass.

    Args:
        model: the original network; not changed.
        layers: layers whose inputs and outputs have the images on the first axis.
        norms: name -> BatchNorm of the network.
        data: images; fewer of them are used if one batch of all would need more than the memory.
        memory: in GiB.
        seed: of the positions and images.

    Raises:
        ModelError: the network does not give finite outputs.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network, data = nn.Sequential(nn.Linear(3, 2)), Data.from_tensors(torch.eye(3))
        >>> outputs = reference_outputs(network, find_layers(network).layers, {}, data, memory=1.0, seed=0)
        >>> torch.equal(outputs.layers["0"].values, network(torch.eye(3)))
        True
    """
    data = _fitting(model, data, memory, seed)
    recorder = _Recorder({layer.name: layer for layer in layers}, norms, len(data), memory, seed)
    with recorder.hooked(), inference(model):
        for inputs, _ in data.batches(_BATCH):
            recorder.begin(len(inputs))
            forward(model, inputs)
            recorder.end()
    return recorder.recorded(data)


def at_positions(tensor: Tensor, axis: int, positions: Tensor) -> Tensor:
    """Return [N * positions, channels] float32 on the CPU: a tensor [N, ...] with channels on `axis` at some positions.

    Example:
        >>> at_positions(torch.arange(6).reshape(1, 2, 3), 1, torch.tensor([2])).tolist()
        [[2.0, 5.0]]
    """
    rows = tensor.detach().movedim(axis, -1).reshape(len(tensor), -1, tensor.shape[axis])
    return rows[:, positions.to(rows.device)].flatten(0, 1).cpu().float()


def _fitting(model: nn.Module, data: Data, memory: float, seed: int) -> Data:
    """Return the images that one batch can hold."""
    largest = 0

    def measure(_: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        nonlocal largest
        tensors = [each for each in (input_of(args, kwargs), output) if isinstance(each, Tensor)]
        largest = max(largest, sum(tensor.nbytes for tensor in tensors))

    leaves = [module for module in model.modules() if not list(module.children())]
    inputs, _ = next(data.batches(2))
    with forward_hooks((leaf, measure) for leaf in leaves), inference(model):
        forward(model, inputs)
    room = _SHARE * memory * GIB / (_COPIES * max(1.0, largest / len(inputs)))
    return data if room >= len(data) else data.subset(max(1, int(room)), seed)


class _Recorder:
    """Records the calls of one pass after the other, and forgets modules that are not called once in each of them."""

    def __init__(
        self, layers: Mapping[str, Layer], norms: Mapping[str, nn.Module], images: int, memory: float, seed: int
    ) -> None:
        self._layers, self._norms, self._images, self._seed = layers, norms, images, seed
        self._room = _SHARE * memory * GIB / max(1, len(layers) + len(norms))
        self._values: dict[str, list[Tensor]] = {name: [] for name in (*layers, *norms)}
        self._places: dict[str, tuple[int, Tensor]] = {}
        self._follows: dict[str, str] = {}
        self._calls: Counter[str] = Counter()
        self._dropped: set[str] = set()
        self._made: dict[str, weakref.ref[Tensor]] = {}
        self._batch = 0

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Record; the hooks run before those of the user, who may change outputs."""
        with (
            call_hooks((layer, self._layer_hook(layer)) for layer in self._layers.values()),
            forward_hooks((module, self._norm_hook(name)) for name, module in self._norms.items()),
        ):
            yield

    def begin(self, images: int) -> None:
        """Start a pass."""
        self._batch, self._calls, self._made = images, Counter(), {}

    def end(self) -> None:
        """End a pass."""
        self._dropped.update(name for name in (*self._layers, *self._norms) if self._calls[name] != 1)

    def recorded(self, data: Data) -> ReferenceOutputs:
        """Return what was recorded."""
        wanted = {
            name: Wanted(*self._places[name], torch.cat(parts))
            for name, parts in self._values.items()
            if parts and name not in self._dropped
        }
        follows = {
            name: source for name, source in self._follows.items() if source in wanted and name not in self._dropped
        }
        norms = {name: wanted[name] for name in self._norms if name in wanted and name not in follows}
        return ReferenceOutputs(
            data=data,
            layers={name: wanted[name] for name in self._layers if name in wanted},
            norms=norms | {name: wanted[source] for name, source in follows.items()},
            normed=frozenset(follows.values()),
        )

    def _layer_hook(self, layer: Layer) -> Hook:
        def record(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Tensor) -> None:
            self._calls[layer.name] += 1
            many = layer.weights_per_channel**3 * _FEWEST_PER_WEIGHT > _OPERATIONS
            if many or not images_first(module, input_of(args, kwargs), output, self._batch):
                self._dropped.add(layer.name)
                return
            axis = output.dim() - 1 if isinstance(module, nn.Linear) else 1
            self._record(layer.name, output, axis, layer.weights_per_channel)
            self._made[layer.name] = weakref.ref(output)

        return record

    def _norm_hook(self, name: str) -> Hook:
        def record(_: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], __: Tensor) -> None:
            self._calls[name] += 1
            inputs = input_of(args, kwargs)
            source = next((layer for layer, made in self._made.items() if made() is inputs), None)
            if source is not None:
                self._follows[name] = source
            elif len(inputs) == self._batch:
                self._record(name, inputs, 1, 1)

        return record

    def _record(self, name: str, tensor: Tensor, axis: int, weights: int) -> None:
        if name not in self._places:
            channels = tensor.shape[axis]
            wanted = min(max(_SAMPLES, _SAMPLES_PER_WEIGHT * weights), _OPERATIONS / weights**2)
            samples = min(wanted, self._room / (4 * channels))
            drawn = torch.randperm(tensor[0].numel() // channels, generator=torch.Generator().manual_seed(self._seed))
            self._places[name] = axis, drawn[: max(1, math.ceil(samples / self._images))].sort().values
        self._values[name].append(at_positions(tensor, axis, self._places[name][1]))
