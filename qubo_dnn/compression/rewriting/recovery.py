"""Repair a compressed network by statistics alone, without labels or training; quantized weights do not change.

The compressed and the original network run side by side on the same images. Per-channel parameters that are not
compressed are set so that each channel follows the original channel:

- bias correction: the bias absorbs the mean difference of the layer outputs;
- BatchNorm re-estimation: the running statistics are set so that the normalised channel is the least-squares
  estimate of the original's from the compressed one. With x the input of the compressed BatchNorm, y that of the
  original's, the estimate of y is `a (x - mean x) + mean y`, `a = cov(x, y) / var x`. Plain re-estimation (the new
  mean and variance of x) would restore the full scale of a channel that is mostly noise; a < 1 damps the noise.
  Both means use the same images, so their sampling errors cancel.

Layers are repaired in the order in which they run, each after the repair of the earlier ones.

Source: Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction"; Sun et al. 2019,
"Hybrid 8-bit floating point training" (BatchNorm re-estimation).
"""

from __future__ import annotations

import copy
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.hooks import Hook, forward_hooks
from qubo_dnn.compression.network.inference import forward, inference
from qubo_dnn.compression.network.layer_calls import input_of
from qubo_dnn.compression.rewriting.channel_match import PARTS, ChannelMatch, Part, repairable
from qubo_dnn.compression.rewriting.held_out import Divergence, HeldOutDivergence

# Fewer images give worse statistics to the later layers. What a batch gives to all repaired modules is in memory.
_BATCH, _BYTES = 128, 1 << 30


@dataclass(frozen=True)
class Recovery:
    """The result of a repair.

    Attributes:
        parts: accepted repairs; the others do not lower the held-out divergence, or do not apply to the network.
        before, after: divergence of the network before and after the repair.

    Example:
        >>> import numpy as np
        >>> done = Recovery(("bias",), before=Divergence(np.array([0.3])), after=Divergence(np.array([0.1])))
        >>> done.parts, done.after.divergence
        (('bias',), 0.1)
    """

    parts: tuple[Part, ...]
    before: Divergence
    after: Divergence


def recover(
    network: nn.Module,
    reference: nn.Module,
    data: Data,
    judge: HeldOutDivergence,
    silent: Mapping[str, Sequence[int]] = MappingProxyType({}),
    *,
    apart: bool = True,
) -> tuple[nn.Module, Recovery]:
    """Return the repaired network, or the given one if no repair lowers the held-out divergence.

    Both repairs are tried together first, then each alone.

    Args:
        network: compressed network with the architecture of the reference; not changed.
        reference: the original network.
        data: images for the statistics; targets are not used.
        judge: measures the held-out divergence.
        silent: name of a layer -> output channels whose bias must not change.
        apart: True: try each repair alone if both together do not lower the divergence.

    Raises:
        ModelError: a repaired network does not return finite outputs.

    Example:
        >>> import torch
        >>> from qubo_dnn.compression.losses.losses import SquaredError
        >>> reference, data = nn.Sequential(nn.Linear(3, 2)), Data.from_tensors(torch.eye(3), torch.zeros(3, 2))
        >>> network = copy.deepcopy(reference)
        >>> _ = network[0].bias.data.add_(1.0)
        >>> recover(network, reference, data, HeldOutDivergence(reference, data, SquaredError()))[1].parts
        ('bias',)
    """
    before = judge(network)
    present = [part for part in PARTS if repairable(network, (part,))]
    alone = [(part,) for part in reversed(present) if apart and len(present) > 1]
    for parts in [tuple(present), *alone]:
        if not parts:
            break
        repaired = copy.deepcopy(network)
        repair_(repaired, reference, data, parts, silent)
        after = judge(repaired)
        if after.divergence < before.divergence:
            return repaired, Recovery(parts, before, after)
    return network, Recovery((), before, before)


def repair_(
    network: nn.Module,
    reference: nn.Module,
    data: Data,
    parts: tuple[Part, ...] = PARTS,
    silent: Mapping[str, Sequence[int]] = MappingProxyType({}),
) -> None:
    """Set biases and BatchNorm statistics of a network so that its channels follow the reference, in place.

    Args:
        network: compressed network with the architecture of the reference.
        reference: the original network; not changed.
        data: images for the statistics, in batches.
        parts: repairs to apply, "bias" and "batchnorm".
        silent: name of a layer -> output channels whose bias must not change.

    Raises:
        ModelError: the network does not return finite outputs.

    Example:
        >>> import torch
        >>> reference, data = nn.Sequential(nn.Linear(3, 2)), Data.from_tensors(torch.eye(3), torch.zeros(3))
        >>> network = copy.deepcopy(reference)
        >>> _ = network[0].bias.data.add_(1.0)
        >>> repair_(network, reference, data)
        >>> torch.allclose(network[0].bias, reference[0].bias, atol=1e-5)
        True
    """
    places = repairable(network, parts)
    originals = {name: reference.get_submodule(name) for name in places}
    matches = {name: ChannelMatch(module, silent.get(name, ())) for name, module in places.items()}
    batch = min(_BATCH, max(1, _BYTES // _bytes_per_image(reference, originals.values(), data)))
    with inference(reference), inference(network), _paired(places, originals, matches) as seen:
        for inputs, _ in data.batches(batch):
            seen.clear()
            forward(reference, inputs)
            forward(network, inputs)
    for match in matches.values():
        match.settle()


def _bytes_per_image(reference: nn.Module, modules: Iterable[nn.Module], data: Data) -> int:
    """Return the bytes of what some modules read and give for one image, at least 1."""
    total = 0

    def count(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        nonlocal total
        total += sum(each.nbytes for each in (input_of(args, kwargs), output) if isinstance(each, Tensor))

    # Norms without statistics do not take one image alone.
    inputs, _ = next(data.batches(2))
    with forward_hooks((module, count) for module in modules), inference(reference):
        forward(reference, inputs)
    return max(1, total // len(inputs))


@contextmanager
def _paired(
    places: Mapping[str, nn.Module], originals: Mapping[str, nn.Module], matches: Mapping[str, ChannelMatch]
) -> Iterator[dict[str, deque[Tensor]]]:
    """Match every call of a module with the same call of the original, which ran before.

    Calls without a counterpart stay unchanged; they occur if the network chooses its modules by its activations.

    Yields:
        Records of the originals that are not matched yet.
    """
    seen: dict[str, deque[Tensor]] = defaultdict(deque)
    hooks: list[tuple[nn.Module, Hook]] = []
    for name in matches:

        def observed(args: tuple[Tensor, ...], kwargs: Mapping[str, Tensor], output: Tensor, name: str) -> Tensor:
            if not matches[name].norm:
                return output
            return args[0] if args else kwargs["input"]

        def remember(_: nn.Module, args: Any, kwargs: Any, output: Tensor, name: str = name) -> None:
            seen[name].append(observed(args, kwargs, output, name))

        def follow(_: nn.Module, args: Any, kwargs: Any, output: Tensor, name: str = name) -> Tensor:
            x = observed(args, kwargs, output, name)
            y = seen[name].popleft() if seen[name] else None
            return output if y is None or y.shape != x.shape else matches[name].observe(x, y)

        hooks += [(originals[name], remember), (places[name], follow)]
    with forward_hooks(hooks, first=False):
        yield seen
