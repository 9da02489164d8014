"""Repair of a compressed network by statistics alone: no labels, no training, no quantized weight touched.

The compressed network and the one it comes from see the same images side by side. Wherever the compressed network
has parameters per channel that are not compressed, they are set so that the channel follows the original's:

- bias correction: a bias takes up the mean difference of the layer's outputs;
- BatchNorm re-estimation: the running statistics are set so that the normalised channel is the least-squares
  estimate of the original's from the compressed one. With x the input of the compressed BatchNorm, y that of the
  original's, the estimate of y is `a (x - mean x) + mean y`, `a = cov(x, y) / var x`. Plain re-estimation (the new
  mean and variance of x) restores the scale of a channel that has become mostly noise; a < 1 turns the noise down.
  Both means are of the same images, so their sampling error cancels.

Layers are repaired in the order in which they run, each seeing the repaired ones before it.

Source: Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction"; Sun et al. 2019,
"Hybrid 8-bit floating point training" (BatchNorm re-estimation).
"""

from __future__ import annotations

import copy
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from qubo_dnn.compression.network.dataset import Data
from qubo_dnn.compression.network.hooks import Hook, forward_hooks
from qubo_dnn.compression.network.inference import forward, inference
from qubo_dnn.compression.rewriting.held_out import Divergence, HeldOutDivergence

Part = Literal["bias", "batchnorm"]
PARTS: tuple[Part, ...] = get_args(Part)

# A pruned channel carries nothing: its slope is 0, and the statistics that would express it infinite.
_LEAST_SLOPE = 1e-3
_BATCH = 128


@dataclass(frozen=True)
class Recovery:
    """What was repaired.

    Attributes:
        parts: kept repairs; the others did not lower the held-out divergence, or the network has nothing of the kind.
        before, after: judgements of the network.
    """

    parts: tuple[Part, ...]
    before: Divergence
    after: Divergence


def recover(
    network: nn.Module, reference: nn.Module, data: Data, judge: HeldOutDivergence
) -> tuple[nn.Module, Recovery]:
    """The repaired network, or the given one where no repair lowers the held-out divergence.

    Both repairs are tried together first, then each alone.

    Args:
        network: compressed, of the reference's architecture; not changed.
        reference: the network as given.
        data: images to take statistics of; targets are not used.
        judge: of held-out images.

    Raises:
        ModelError: a repaired network does not give finite outputs.
    """
    before = judge(network)
    present = [part for part in PARTS if _places(network, (part,))]
    for parts in [tuple(present), *[(part,) for part in reversed(present) if len(present) > 1]]:
        if not parts:
            break
        repaired = copy.deepcopy(network)
        repair_(repaired, reference, data, parts)
        after = judge(repaired)
        if after.divergence < before.divergence:
            return repaired, Recovery(parts, before, after)
    return network, Recovery((), before, before)


def repair_(network: nn.Module, reference: nn.Module, data: Data, parts: tuple[Part, ...] = PARTS) -> None:
    """Set biases and BatchNorm statistics of a network so that its channels follow the reference's, in place.

    Args:
        network: compressed, of the reference's architecture.
        reference: the network as given; left as it is.
        data: images to take statistics of, in batches.
        parts: which repairs.

    Raises:
        ModelError: the network does not give finite outputs.
    """
    places = _places(network, parts)
    originals = {name: reference.get_submodule(name) for name in places}
    matches = {name: _Match(module) for name, module in places.items()}
    with inference(reference), inference(network), _paired(places, originals, matches) as seen:
        for images, _ in data.batches(_BATCH):
            seen.clear()
            forward(reference, images)
            forward(network, images)
    for match in matches.values():
        match.settle()


def _places(network: nn.Module, parts: tuple[Part, ...]) -> dict[str, nn.Module]:
    """Modules with parameters that `parts` may set, in module order."""
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm):
            wanted = "batchnorm" in parts and module.running_mean is not None
        else:
            # Neither a bias that is computed from other tensors, such as a mask.
            own = dict(module.named_parameters(recurse=False))
            wanted = "bias" in parts and isinstance(module, _ConvNd | nn.Linear) and "bias" in own
        if wanted:
            found[name] = module
    return found


class _Match:
    """Makes one module follow the original's: batch by batch while data run through, then by all of them."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.norm = isinstance(module, _BatchNorm)
        self._eps = module.eps if isinstance(module, _BatchNorm) else 0.0
        # Sums over images of the means over positions of x, y and, for a BatchNorm, x x and x y, per channel.
        self._count = 0
        self._sums: Tensor | float = 0.0

    def observe(self, x: Tensor, y: Tensor) -> Tensor:
        """Take note of one call; the module's output as this call alone would have it repaired."""
        axis = 1 if self.norm or isinstance(self.module, _ConvNd) else x.dim() - 1
        others = [place for place in range(x.dim()) if place != axis]
        mean_x, mean_y = x.mean(others, keepdim=True), y.mean(others, keepdim=True)
        moments = [mean_x.flatten().double(), mean_y.flatten().double()]
        if self.norm:
            # Centred before they are multiplied, for float32 loses a small variance beside a large mean.
            centred = x - mean_x
            square, product = centred.square().mean(others), (centred * (y - mean_y)).mean(others)
            moments += [square + moments[0].square(), product + moments[0] * moments[1]]
        means = torch.stack(moments)
        self._count += len(x)
        self._sums = self._sums + len(x) * means
        return self._output(x, means, [-1 if place == axis else 1 for place in range(x.dim())])

    def settle(self) -> None:
        """Set the module's parameters."""
        if isinstance(self._sums, float):
            return
        means = self._sums / self._count
        if isinstance(self.module, _BatchNorm):
            for name, values in zip(("running_mean", "running_var"), self._statistics(means), strict=True):
                self.module.get_buffer(name).copy_(values)
        else:
            with torch.no_grad():
                self.module.get_parameter("bias").add_(
                    (means[1] - means[0]).to(self.module.get_parameter("bias").dtype)
                )

    def _output(self, x: Tensor, means: Tensor, shape: list[int]) -> Tensor:
        if isinstance(self.module, _BatchNorm):
            mean, variance = self._statistics(means)
            weight = 1.0 if self.module.weight is None else self.module.weight.double()
            scale = weight / (variance + self._eps).sqrt()
            shift = -mean * scale + (0.0 if self.module.bias is None else self.module.bias.double())
            return x * scale.to(x.dtype).view(shape) + shift.to(x.dtype).view(shape)
        return x + (means[1] - means[0]).to(x.dtype).view(shape)

    def _statistics(self, means: Tensor) -> tuple[Tensor, Tensor]:
        """Running mean and variance that make the BatchNorm's output that of `a (x - mean x) + mean y`."""
        old_mean, old_variance = (self.module.get_buffer(name).double() for name in ("running_mean", "running_var"))
        spread = means[2] - means[0].square()
        # A channel without spread follows nothing.
        slope = torch.where(spread > 1e-12 * old_variance, (means[3] - means[0] * means[1]) / spread, 0.0)
        slope = slope.clamp(min=_LEAST_SLOPE)
        variance = (old_variance + self._eps) / slope.square() - self._eps
        return means[0] - (means[1] - old_mean) / slope, variance.clamp(min=0.0)


@contextmanager
def _paired(
    places: Mapping[str, nn.Module], originals: Mapping[str, nn.Module], matches: Mapping[str, _Match]
) -> Iterator[dict[str, deque[Tensor]]]:
    """While it lasts, every call of a place is matched with the same call of the original, made before.

    Calls without a counterpart, as where the network chooses by its activations what to run, stay as they are.

    Yields:
        What the originals have seen and no place has been matched with yet.
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
