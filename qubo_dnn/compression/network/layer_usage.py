"""Find out how the weights of a network are used, and so how their effect on the outputs can be measured.

The network runs once over the calibration images under the conditions of a measurement: in eval mode, with gradients
and with hooks on its layers. A dispatch mode sees every operation that PyTorch performs, fused kernels included, and
compares the memory of its tensors with that of the weights. Unlike a list of known idioms, memory also reveals
`F.conv2d(x, layer.weight)`, a weight tied to another parameter, `.data`, `.detach()` and hooks that read the weight.

- A weight that only calls of its own torch modules read, with the images on the first axis, is measured by these calls,
  many images at a time (`qubo_dnn.compression.network.layer_calls`). So is one that only linear operators read, as in a
  convolution that pads its input itself, by their calls (`qubo_dnn.compression.network.operators`).
- Any other weight that is read is measured through its parameter, image by image: its gradient covers every use that
  is differentiated. Uses that are not (detached, rounded) would be missed, so that the gradient is first compared with
  the change of the outputs when the weight itself changes a little.
- A weight that nothing reads, or whose gradient does not reach the outputs or does not explain its effect, has no
  measured importance. It must never be compressed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.gradient_check import explained_by_gradients
from qubo_dnn.compression.network.hooks import forward_hooks, forward_pre_hooks
from qubo_dnn.compression.network.inference import Progress, forward, measuring
from qubo_dnn.compression.network.layer_calls import images_first, input_of
from qubo_dnn.compression.network.layers import Inventory, Layer
from qubo_dnn.compression.network.operators import OperatorCall, intercepting
from qubo_dnn.compression.user_code import foreign_code
from qubo_dnn.errors import DataError, ModelError

_BATCH = 32
NOT_USED = "nothing reads it on the calibration images"
NO_GRADIENT = "no gradient of the outputs reaches it, so its sensitivity cannot be measured"
NOT_EXPLAINED = "its gradient does not explain its effect on the outputs, as if it were also used detached or rounded"
SHARED_MEMORY = "another parameter uses the same memory, so that its gradient is only a part of its effect"


@dataclass(frozen=True)
class Usage:
    """How the weights of a network are used.

    Attributes:
        unmeasurable: layer name -> reason why its effect cannot be measured, as a phrase.
        by_operators: names of the layers whose effect is that of calls of operators.
        not_by_calls: names of the other layers whose effect is more than that of calls of their modules.

    Example:
        >>> usage = Usage({"head": NOT_USED}, by_operators=frozenset({"stem"}), not_by_calls=frozenset())
        >>> usage.unmeasurable["head"]
        'nothing reads it on the calibration images'
    """

    unmeasurable: Mapping[str, str]
    by_operators: frozenset[str]
    not_by_calls: frozenset[str]

    def of(self, inventory: Inventory) -> Inventory:
        """Return the same layers, each measured by what it is used by.

        Example:
            >>> from qubo_dnn.compression.network.layers import find_layers
            >>> inventory = find_layers(nn.Sequential(nn.Linear(3, 2)))
            >>> Usage({}, frozenset(), frozenset({"0"})).of(inventory).layers[0].by_calls
            False
        """
        return inventory.by_operators(self.by_operators).not_by_calls(self.not_by_calls)


def usage(inventory: Inventory, data: Data, *, gradients: bool = True, progress: Progress | None = None) -> Usage:
    """Find out how the weights of a network are used.

    Args:
        inventory: the network, which is not changed, and its layers.
        data: calibration images; the network runs on all of them once, and on some again.
        gradients: True if the layers will be measured by gradients; a gradient must then reach every weight.
        progress: called after every batch with the number of images done and their total.

    Raises:
        DataError: the network does not accept these images.
        ModelError: it does not return finite outputs (N, ...), or its backward pass fails.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network = nn.Sequential(nn.Linear(3, 2), nn.Identity())
        >>> network[1].unused = nn.Linear(2, 2)  # its forward is never called
        >>> usage(find_layers(network), Data.from_tensors(torch.ones(5, 3), torch.zeros(5))).unmeasurable
        {'1.unused': 'nothing reads it on the calibration images'}
    """
    watch = _Watch(inventory.layers)
    unreached = {layer.name: layer.weight for layer in inventory.layers} if gradients else {}
    done = 0
    with measuring(inventory.model), torch.set_grad_enabled(gradients), requiring_gradients(unreached.values()):
        for images, _ in data.batches(_BATCH):
            what = f"{data.name}: the network does not take {data.described}"
            # Another number of images tells an axis of images from another one of the same length.
            for part in (images, images[: len(images) // 2])[: 1 if done or len(images) < 2 else 2]:
                with watch.hooked(len(part)), watch, foreign_code(DataError, what):
                    outputs = forward(inventory.model, part)
                for name in _reached(outputs, unreached):
                    del unreached[name]
                # The next pass must not find the graph of this one in memory.
                del outputs
            done += len(images)
            if progress:
                progress(done, len(data))
    reasons = {layer.name: NOT_USED for layer in inventory.layers if not watch.read(layer)}
    reasons |= {layer.name: SHARED_MEMORY for layer in inventory.layers if watch.overlaps(layer)}
    reasons |= {name: NO_GRADIENT for name in unreached if name not in reasons}
    left = [layer for layer in inventory.layers if layer.name not in reasons and not watch.called(layer)]
    by_operators = frozenset(layer.name for layer in left if watch.given(layer))
    others = [layer for layer in left if layer.name not in by_operators]
    if gradients and others:
        explained = explained_by_gradients(inventory.model, others, data)
        reasons |= {layer.name: NOT_EXPLAINED for layer in others if layer.name not in explained}
    return Usage(reasons, by_operators, frozenset(layer.name for layer in others if layer.name not in reasons))


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own class hook has no types
    """Attributes every operation that reads a weight to the layer that is running."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own has no types
        self._layers = layers
        self._index = {layer.name: index for index, layer in enumerate(layers)}
        self._spans = np.array([span(layer.weight) or (0, 0) for layer in layers], np.int64).reshape(-1, 2)
        self._calls, self._operators = _Readers(), _Readers()
        self._gradients = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: otherwise PyTorch spends seconds to load its compiler, only to exclude this class from it."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not _makes_new(func):
            for leaf in tree_leaves((args, kwargs)):
                if isinstance(leaf, Tensor) and (memory := span(leaf)):
                    self._read(memory)
        return func(*args, **kwargs)

    def _owners(self, memory: tuple[int, int]) -> list[int]:
        """Return the indices of the layers whose weight uses some of the memory."""
        found: list[int] = np.flatnonzero((self._spans[:, 0] < memory[1]) & (self._spans[:, 1] > memory[0])).tolist()
        return found

    def _read(self, memory: tuple[int, int]) -> None:
        for index in self._owners(memory):
            self._calls.read(index)
            self._operators.read(index)

    def read(self, layer: Layer) -> bool:
        """Return whether an operation read the weight."""
        return self._index[layer.name] in self._calls.all

    def overlaps(self, layer: Layer) -> bool:
        """Return whether another weight uses some of the same memory."""
        memory = span(layer.weight)
        return memory is not None and len(self._owners(memory)) > 1

    def called(self, layer: Layer) -> bool:
        """Return whether the weight is used by recordable calls of its modules alone."""
        return layer.by_calls and self._index[layer.name] not in self._calls.others

    def given(self, layer: Layer) -> bool:
        """Return whether the weight is used by recordable calls of operators alone."""
        return len(layer.modules) == 1 and self._index[layer.name] not in self._operators.others

    @contextmanager
    def hooked(self, images: int) -> Iterator[None]:
        """Put the innermost hooks around the forward of all layers, so that reads by other hooks do not count."""
        self._gradients = torch.is_grad_enabled()
        watched = [
            (module, self._hooks(index, images))
            for index, layer in enumerate(self._layers)
            if layer.by_calls
            for module in layer.modules
        ]
        with (
            forward_pre_hooks((module, enter) for module, (enter, _) in watched),
            forward_hooks(((module, leave) for module, (_, leave) in watched), always=True),
            intercepting((layer, self._run(index, layer, images)) for index, layer in enumerate(self._layers)),
        ):
            yield

    def _run(self, index: int, layer: Layer, images: int) -> Callable[[OperatorCall], Tensor]:
        def run(call: OperatorCall) -> Tensor:
            self._operators.running.append(index)
            try:
                output = call()
            finally:
                self._operators.running.pop()
            inputs = call.given["input"]
            if not (call.is_of(layer) and self._recordable(layer.module, inputs, output, images)):
                self._operators.others.add(index)
            return output

        return run

    def _hooks(self, index: int, images: int) -> tuple[Callable[..., None], Callable[..., None]]:
        def enter(*_: Any) -> None:
            self._calls.running.append(index)

        def leave(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            if self._calls.running and self._calls.running[-1] == index:
                self._calls.running.pop()
            inputs = input_of(args, kwargs)
            tensors = isinstance(inputs, Tensor) and isinstance(output, Tensor)
            if not (tensors and self._recordable(module, inputs, output, images)):
                self._calls.others.add(index)

        return enter, leave

    def _recordable(self, module: nn.Module, inputs: Tensor, output: Tensor, images: int) -> bool:
        """Return whether a call has the images first, and gradients unless the whole run has none."""
        return torch.is_grad_enabled() == self._gradients and images_first(module, inputs, output, images)


@dataclass(eq=False)
class _Readers:
    """What reads weights while calls of one kind run; indices of layers.

    Attributes:
        running: the layers that calls are of, innermost last.
        all: layers that are read.
        others: layers that are read outside of calls, or by some that cannot be recorded.
    """

    running: list[int] = field(default_factory=list)
    all: set[int] = field(default_factory=set)
    others: set[int] = field(default_factory=set)

    def read(self, index: int) -> None:
        """Observe that a layer is read."""
        self.all.add(index)
        if not (self.running and self.running[-1] == index):
            self.others.add(index)


def _makes_new(func: Any) -> bool:
    """Return whether an operation uses only shape and dtype of its argument, such as `zeros_like(x)`."""
    name = func._schema.name.rpartition("::")[2]
    return bool(name.startswith("new_") or name.endswith("_like"))


def span(tensor: Tensor) -> tuple[int, int] | None:
    """Return the first address of a tensor's elements and the one after the last; None if it has no memory.

    Example:
        >>> first, last = span(torch.zeros(3, 4))
        >>> last - first
        48
    """
    try:
        start = tensor.data_ptr()
    except RuntimeError:  # sparse, nested, fake
        return None
    if not start or not tensor.numel():
        return None
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return start, start + (last + 1) * tensor.element_size()


@contextmanager
def requiring_gradients(weights: Iterable[Tensor]) -> Iterator[None]:
    """Give frozen weights gradients temporarily.

    Example:
        >>> frozen = nn.Parameter(torch.zeros(2), requires_grad=False)
        >>> with requiring_gradients([frozen]):
        ...     inside = frozen.requires_grad
        >>> inside, frozen.requires_grad
        (True, False)
    """
    frozen = [weight for weight in weights if not weight.requires_grad]
    for weight in frozen:
        weight.requires_grad_(True)
    try:
        yield
    finally:
        for weight in frozen:
            weight.requires_grad_(False)


def _reached(outputs: Tensor, weights: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the weights for which a random direction of the outputs has a gradient."""
    if not weights or not outputs.requires_grad:
        return []
    direction = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(0)).to(outputs)
    with foreign_code(ModelError, "the network's backward pass fails"):
        # Of a scalar: where the caller gives the gradient of a tensor, torch first loads sympy for two seconds.
        gradients = torch.autograd.grad((outputs * direction).sum(), list(weights.values()), allow_unused=True)
    # NaN counts as a gradient; the measurement of the sensitivity reports it.
    pairs = zip(weights, gradients, strict=True)
    return [name for name, given in pairs if given is not None and bool((given != 0).any())]
