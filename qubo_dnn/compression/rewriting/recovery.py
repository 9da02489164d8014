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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.hooks import Hook, forward_hooks
from qubo_dnn.compression.network.inference import forward, inference
from qubo_dnn.compression.rewriting.held_out import Divergence, HeldOutDivergence

Part = Literal["bias", "batchnorm"]
PARTS: tuple[Part, ...] = get_args(Part)

# A pruned channel has slope 0, which only infinite statistics could express.
_LEAST_SLOPE = 1e-3
_BATCH = 128


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
) -> tuple[nn.Module, Recovery]:
    """Return the repaired network, or the given one if no repair lowers the held-out divergence.

    Both repairs are tried together first, then each alone.

    Args:
        network: compressed network with the architecture of the reference; not changed.
        reference: the original network.
        data: images for the statistics; targets are not used.
        judge: measures the held-out divergence.
        silent: name of a layer -> output channels whose bias must not change.

    Raises:
        ModelError: a repaired network does not return finite outputs.

    Example:
        >>> from qubo_dnn.compression.losses.losses import SquaredError
        >>> reference, data = nn.Sequential(nn.Linear(3, 2)), Data.from_tensors(torch.eye(3), torch.zeros(3, 2))
        >>> network = copy.deepcopy(reference)
        >>> _ = network[0].bias.data.add_(1.0)
        >>> recover(network, reference, data, HeldOutDivergence(reference, data, SquaredError()))[1].parts
        ('bias',)
    """
    before = judge(network)
    present = [part for part in PARTS if _places(network, (part,))]
    for parts in [tuple(present), *[(part,) for part in reversed(present) if len(present) > 1]]:
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
        >>> reference, data = nn.Sequential(nn.Linear(3, 2)), Data.from_tensors(torch.eye(3), torch.zeros(3))
        >>> network = copy.deepcopy(reference)
        >>> _ = network[0].bias.data.add_(1.0)
        >>> repair_(network, reference, data)
        >>> torch.allclose(network[0].bias, reference[0].bias, atol=1e-5)
        True
    """
    places = _places(network, parts)
    originals = {name: reference.get_submodule(name) for name in places}
    matches = {name: _Match(module, silent.get(name, ())) for name, module in places.items()}
    with inference(reference), inference(network), _paired(places, originals, matches) as seen:
        for inputs, _ in data.batches(_BATCH):
            seen.clear()
            forward(reference, inputs)
            forward(network, inputs)
    for match in matches.values():
        match.settle()


def _places(network: nn.Module, parts: tuple[Part, ...]) -> dict[str, nn.Module]:
    """Return the modules with parameters that `parts` may set, in module order."""
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm):
            wanted = "batchnorm" in parts and module.running_mean is not None
        else:
            # Skip a bias that is computed from other tensors, such as a mask.
            own = dict(module.named_parameters(recurse=False))
            wanted = "bias" in parts and isinstance(module, _ConvNd | nn.Linear) and "bias" in own
        if wanted:
            found[name] = module
    return found


class _Match:
    """Fit one module to the original: batch by batch during the run, then with the statistics of all images."""

    def __init__(self, module: nn.Module, silent: Sequence[int]) -> None:
        self.module, self._silent = module, list(silent)
        self.norm = isinstance(module, _BatchNorm)
        self._eps = module.eps if isinstance(module, _BatchNorm) else 0.0
        # Sums over images of the means over positions of x, y and, for a BatchNorm, x x and x y, per channel.
        self._count = 0
        self._sums: Tensor | float = 0.0

    def observe(self, x: Tensor, y: Tensor) -> Tensor:
        """Record one call, and return the output of the module repaired with the statistics of this call alone."""
        axis = 1 if self.norm or isinstance(self.module, _ConvNd) else x.dim() - 1
        others = [place for place in range(x.dim()) if place != axis]
        mean_x, mean_y = x.mean(others, keepdim=True), y.mean(others, keepdim=True)
        moments = [mean_x.flatten().double(), mean_y.flatten().double()]
        if self.norm:
            # Centre the values before the products, because float32 loses a small variance beside a large mean.
            centred = x - mean_x
            square, product = centred.square().mean(others), (centred * (y - mean_y)).mean(others)
            moments += [square + moments[0].square(), product + moments[0] * moments[1]]
        means = torch.stack(moments)
        self._count += len(x)
        self._sums = self._sums + len(x) * means
        return self._output(x, means, [-1 if place == axis else 1 for place in range(x.dim())])

    def settle(self) -> None:
        """Set the parameters of the module."""
        if isinstance(self._sums, float):
            return
        means = self._sums / self._count
        if isinstance(self.module, _BatchNorm):
            for name, values in zip(("running_mean", "running_var"), self._statistics(means), strict=True):
                self.module.get_buffer(name).copy_(values)
        else:
            with torch.no_grad():
                self.module.get_parameter("bias").add_(self._shift(means).to(self.module.get_parameter("bias").dtype))

    def _output(self, x: Tensor, means: Tensor, shape: list[int]) -> Tensor:
        if isinstance(self.module, _BatchNorm):
            mean, variance = self._statistics(means)
            weight = 1.0 if self.module.weight is None else self.module.weight.double()
            scale = weight / (variance + self._eps).sqrt()
            shift = -mean * scale + (0.0 if self.module.bias is None else self.module.bias.double())
            return x * scale.to(x.dtype).view(shape) + shift.to(x.dtype).view(shape)
        return x + self._shift(means).to(x.dtype).view(shape)

    def _shift(self, means: Tensor) -> Tensor:
        """Return the change of the bias: the mean difference of the outputs, and zero for silent channels."""
        return (means[1] - means[0]).index_fill(0, torch.tensor(self._silent, dtype=torch.int64).to(means.device), 0.0)

    def _statistics(self, means: Tensor) -> tuple[Tensor, Tensor]:
        """Return the running mean and variance for which the BatchNorm acts on `a (x - mean x) + mean y`."""
        old_mean, old_variance = (self.module.get_buffer(name).double() for name in ("running_mean", "running_var"))
        spread = means[2] - means[0].square()
        # A channel without variance gets slope 0.
        slope = torch.where(spread > 1e-12 * old_variance, (means[3] - means[0] * means[1]) / spread, 0.0)
        slope = slope.clamp(min=_LEAST_SLOPE)
        variance = (old_variance + self._eps) / slope.square() - self._eps
        return means[0] - (means[1] - old_mean) / slope, variance.clamp(min=0.0)


@contextmanager
def _paired(
    places: Mapping[str, nn.Module], originals: Mapping[str, nn.Module], matches: Mapping[str, _Match]
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
