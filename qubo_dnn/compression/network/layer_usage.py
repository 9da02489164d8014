"""Find the layers that can be measured: their weight affects the outputs only through calls of their own module.

Sensitivities are sums over the recorded calls of a layer's module (`qubo_dnn.compression.network.layer_calls`). If a
weight is also used in another way, its measured importance is too low; if it is used only in another way, its measured
importance is zero. Such a layer must never be compressed.

The network runs once over the calibration images under the conditions of a measurement: in eval mode, with gradients
and with hooks on its layers. A dispatch mode sees every operation that PyTorch performs, fused kernels included, and
compares the memory of its tensors with that of the weights. Unlike a list of known idioms, memory also reveals
`F.conv2d(x, layer.weight)`, a weight tied to another parameter, `.data`, `.detach()` and hooks that read the weight. A
layer is measurable if

- its module was called,
- its calls read the weight,
- nothing else read the weight, and
- a gradient of the outputs reaches the weight (a detached or rounded output has no gradient).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from qubo_dnn.compression.network.dataset import Data
from qubo_dnn.compression.network.hooks import forward_hooks, forward_pre_hooks
from qubo_dnn.compression.network.inference import Progress, eval_mode, forward
from qubo_dnn.compression.network.layer_calls import input_of
from qubo_dnn.compression.network.layers import Inventory, Layer
from qubo_dnn.compression.network.user_code import foreign_code
from qubo_dnn.errors import DataError, ModelError

_BATCH = 32
NOT_CALLED = "its module is not called on the calibration images"
USED_ELSEWHERE = "its weight is used otherwise than by calls of its module"
NOT_READ = "calls of its module do not read its weight"
OTHER_ARGUMENTS = "its module does not take one tensor and give one tensor"
NO_GRADIENT = "no gradient of the outputs reaches its weight, so its sensitivity cannot be measured"


def unmeasurable(
    inventory: Inventory, data: Data, *, gradients: bool = True, progress: Progress | None = None
) -> dict[str, str]:
    """Return the layers that cannot be measured, with the reasons.

    Args:
        inventory: the network, which is not changed, and its layers.
        data: calibration images; the network runs on all of them once.
        gradients: True if the layers will be measured by gradients; a gradient must then reach every weight.
        progress: called after every batch with the number of images done and their total.

    Returns:
        Layer name -> reason, as a phrase.

    Raises:
        DataError: the network does not accept these images.
        ModelError: it does not return finite outputs (N, ...), or its backward pass fails.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network = nn.Sequential(nn.Linear(3, 2), nn.Identity())
        >>> network[1].unused = nn.Linear(2, 2)  # its forward is never called
        >>> unmeasurable(find_layers(network), Data.from_tensors(torch.ones(5, 3), torch.zeros(5)))
        {'1.unused': 'its module is not called on the calibration images'}
    """
    watch = _Watch(inventory.layers)
    unreached = {layer.name: layer.weight for layer in inventory.layers} if gradients else {}
    done = 0
    with eval_mode(inventory.model), torch.set_grad_enabled(gradients), _requiring_gradients(unreached.values()):
        for images, _ in data.batches(_BATCH):
            what = f"{data.name}: the network does not take images of {data.shape}"
            with watch.hooked(), watch, foreign_code(DataError, what):
                outputs = forward(inventory.model, images)
            for name in _reached(outputs, unreached):
                del unreached[name]
            done += len(images)
            if progress:
                progress(done, len(data))
    reasons = watch.reasons()
    reasons |= {name: reasons[name] or NO_GRADIENT for name in unreached}
    return {name: reason for name, reason in reasons.items() if reason}


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own class hook has no types
    """Attributes every operation that reads a weight to the layer that is running."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own has no types
        self._layers = layers
        self._spans = np.array([_span(layer.weight) or (0, 0) for layer in layers], np.int64).reshape(-1, 2)
        # Indices of the running layers, innermost last, and the observations of each layer.
        self._running: list[int] = []
        self._called: set[int] = set()
        self._inside: set[int] = set()
        self._elsewhere: set[int] = set()
        self._other_arguments: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: otherwise PyTorch spends seconds to load its compiler, only to exclude this class from it."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not _makes_new(func):
            for leaf in tree_leaves((args, kwargs)):
                if isinstance(leaf, Tensor) and (span := _span(leaf)):
                    self._read(span)
        return func(*args, **kwargs)

    def _read(self, span: tuple[int, int]) -> None:
        for index in np.flatnonzero((self._spans[:, 0] < span[1]) & (self._spans[:, 1] > span[0])).tolist():
            inside = self._running and self._running[-1] == index
            (self._inside if inside else self._elsewhere).add(index)

    def reasons(self) -> dict[str, str | None]:
        """Return layer name -> the reason why it cannot be measured, as far as calls show it."""
        return {layer.name: self._reason(index) for index, layer in enumerate(self._layers)}

    def _reason(self, index: int) -> str | None:
        if index in self._elsewhere:
            return USED_ELSEWHERE
        if index not in self._called:
            return NOT_CALLED
        if index not in self._inside:
            return NOT_READ
        return OTHER_ARGUMENTS if index in self._other_arguments else None

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Put the innermost hooks around the forward of all layers, so that reads by other hooks do not count."""
        modules = [layer.module for layer in self._layers]
        enter, leave = zip(*(self._hooks(k, each.linear_in_weight) for k, each in enumerate(self._layers)), strict=True)
        with (
            forward_pre_hooks(zip(modules, enter, strict=True)),
            forward_hooks(zip(modules, leave, strict=True), always=True),
        ):
            yield

    def _hooks(self, index: int, by_torch: bool) -> tuple[Callable[..., None], Callable[..., None]]:
        def enter(*_: Any) -> None:
            self._running.append(index)

        def leave(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            if self._running and self._running[-1] == index:
                self._running.pop()
            self._called.add(index)
            # Only the code of torch has a known further argument: the output size of a transposed convolution.
            one = by_torch or len(args) + len(kwargs) == 1
            if not (one and isinstance(input_of(args, kwargs), Tensor) and isinstance(output, Tensor)):
                self._other_arguments.add(index)

        return enter, leave


def _makes_new(func: Any) -> bool:
    """Return whether an operation uses only shape and dtype of its argument, such as `zeros_like(x)`."""
    name = func._schema.name.rpartition("::")[2]
    return bool(name.startswith("new_") or name.endswith("_like"))


def _span(tensor: Tensor) -> tuple[int, int] | None:
    """Return the first address of a tensor's elements and the one after the last; None if it has no memory."""
    try:
        start = tensor.data_ptr()
    except RuntimeError:  # sparse, nested, fake
        return None
    if not start or not tensor.numel():
        return None
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return start, start + (last + 1) * tensor.element_size()


@contextmanager
def _requiring_gradients(weights: Iterable[Tensor]) -> Iterator[None]:
    """Give frozen weights gradients temporarily."""
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
