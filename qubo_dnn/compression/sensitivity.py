"""The generalized Gauss-Newton matrix of the loss along the changes of all units at all options."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from qubo_dnn.compression.data import Data
from qubo_dnn.compression.layers import Layer
from qubo_dnn.errors import UnsupportedProblemError

EXACT_CLASSES = 32
SAMPLED_PROBES = 8
MAX_COLUMNS = 24_000

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class LayerChanges:
    """What every option does to one layer's weights.

    Attributes:
        layer: the layer.
        group: output channels in a unit.
        changes: [K, channels, ...] quantized weights minus weights, one for every option.
    """

    layer: Layer
    group: int
    changes: Tensor

    def per_unit(self, channels: Tensor) -> Tensor:
        """Sum a [channels, ...] tensor over the channels of each unit; [units, ...]."""
        if self.group == 1:
            return channels
        units = torch.arange(self.layer.channels) // self.group
        summed = torch.zeros(int(units[-1]) + 1, *channels.shape[1:], dtype=channels.dtype)
        return summed.index_add_(0, units, channels)

    def squared_error(self) -> Tensor:
        """[units, K] squared l2 norm of every unit's change, float64."""
        return self.per_unit(self.changes.double().square().flatten(2).sum(2).T)


def gauss_newton(
    model: nn.Module,
    layers: Sequence[LayerChanges],
    data: Data,
    *,
    probes: int | None = None,
    seed: int = 0,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> Tensor:
    """Q[uk, vl] = mean over images of (J d[uk])' (diag(p) - p p') (J d[vl]).

    J is the Jacobian of the logits in the weights, d[uk] the change of unit u at option k and p the softmax of
    the network as it is. Cross-entropy's curvature does not depend on labels, so none are used. No per-image
    weight gradient is formed: with g the gradient of a probe with respect to a layer's output, the probe's
    derivative along a change d of output channel o is the sum over positions of g_o * layer(input; d)_o, hence one
    forward of the layer per option and one backward pass of the network per probe.

    Args:
        model: in eval mode; outputs logits [N, C].
        layers: U units in all, each with the same K options.
        data: images to average over.
        probes: backward passes per batch with labels drawn from p; None takes the C exact probes
            sqrt(p_c) (e_c - p) for up to `EXACT_CLASSES` classes and `SAMPLED_PROBES` drawn ones beyond.
        seed: of the drawn labels.
        batch_size: images at a time; memory grows with it.
        progress: called with the images done and in all.

    Returns:
        [U*K, U*K] float32, positive semidefinite, in nats.

    Raises:
        UnsupportedProblemError: the matrix would have more than `MAX_COLUMNS` columns.

    Source: Martens 2020, "New insights and perspectives on the natural gradient method".
    """
    size = sum(-(-entry.layer.channels // entry.group) * len(entry.changes) for entry in layers)
    if size > MAX_COLUMNS:
        raise UnsupportedProblemError(
            f"{size} unit-option pairs would need a matrix of {size**2 * 4 / 2**30:.0f} GiB; the limit is "
            f"{MAX_COLUMNS} pairs: choose a coarser granularity, such as group:8, or fewer options"
        )
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.zeros(size, size)
    done = 0
    for images, _ in data.batches(batch_size):
        with _recorded(layers) as calls:
            logits = model(images.requires_grad_())
        outputs = [output for made in calls for _, output in made]
        probe = _probes(logits.detach().softmax(1), probes, generator)
        gradients = iter(torch.autograd.grad(logits, outputs, probe, is_grads_batched=True, materialize_grads=True))
        with torch.no_grad():
            rows = [
                _derivatives(entry, [(x, next(gradients)) for x, _ in made])
                for entry, made in zip(layers, calls, strict=True)
            ]
            factor = torch.cat(rows)
            matrix.addmm_(factor, factor.T)
        done += len(images)
        if progress:
            progress(done, len(data))
    return matrix.div_(done)


@contextmanager
def _recorded(layers: Sequence[LayerChanges]) -> Iterator[list[list[tuple[Tensor, Tensor]]]]:
    """Record input and output of every call of every layer."""
    calls: list[list[tuple[Tensor, Tensor]]] = [[] for _ in layers]

    def recorder(index: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        def record(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            calls[index].append((inputs[0].detach(), output))
            # The network goes on with a copy, so that an in-place activation cannot overwrite the record.
            return output.clone()

        return record

    handles = [entry.layer.module.register_forward_hook(recorder(index)) for index, entry in enumerate(layers)]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _probes(p: Tensor, count: int | None, generator: torch.Generator) -> Tensor:
    """[probes, N, C]: vectors whose outer products add up to diag(p) - p p', exactly or in expectation."""
    classes = p.shape[1]
    if count is None and classes <= EXACT_CLASSES:
        return p.T.sqrt()[:, :, None] * (torch.eye(classes)[:, None] - p)
    count = count or SAMPLED_PROBES
    labels = torch.multinomial(p, count, replacement=True, generator=generator)
    return (torch.eye(classes)[labels.T] - p) / math.sqrt(count)


def _derivatives(entry: LayerChanges, calls: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Derivative of every probe of every image along every change; [units*K, N*probes].

    Args:
        entry: the layer.
        calls: input and probes' output gradients, [probes, *output], of every call of the layer.
    """
    module, changes = entry.layer.module, entry.changes
    options, channels = changes.shape[:2]
    parameters = {"weight": changes.transpose(0, 1).flatten(0, 1).contiguous()}
    if module.bias is not None:
        parameters["bias"] = torch.zeros(options * channels)
    total = torch.zeros(())
    for inputs, gradient in calls:
        response = functional_call(module, parameters, (inputs,))
        if isinstance(module, nn.Linear):
            response, gradient = response.movedim(-1, 1), gradient.movedim(-1, 2)
        response = response.reshape(len(inputs), channels, options, -1)
        gradient = gradient.reshape(len(gradient), len(inputs), channels, -1)
        total = total + response @ gradient.permute(1, 2, 3, 0)
    by_channel = total.permute(1, 2, 0, 3).reshape(channels, options, -1)
    return entry.per_unit(by_channel).flatten(0, 1)
