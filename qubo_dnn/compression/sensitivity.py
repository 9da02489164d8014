"""The generalized Gauss-Newton matrix of the loss along the changes of all units at all options."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from qubo_dnn.compression.calls import Call, by_channel, recorded, responses
from qubo_dnn.compression.data import Data
from qubo_dnn.compression.evaluate import Progress, eval_mode, forward
from qubo_dnn.compression.layers import Layer
from qubo_dnn.compression.resolve import foreign_code
from qubo_dnn.errors import ModelError, OptionError, UnsupportedProblemError

EXACT_CLASSES = 32
SAMPLED_PROBES = 8
MAX_COLUMNS = 24_000

# More images in a batch gain nothing; larger gradients leave the caches, and soon the memory.
_MAX_BATCH, _GRADIENT_BYTES = 32, 1 << 28
_BLOCK = 512


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

    @property
    def units(self) -> int:
        return -(-self.layer.channels // self.group)

    def per_unit(self, channels: Tensor) -> Tensor:
        """Sum a [channels, ...] tensor over the channels of each unit; [units, ...]."""
        if self.group == 1:
            return channels
        unit = torch.arange(self.layer.channels) // self.group
        return channels.new_zeros(self.units, *channels.shape[1:]).index_add_(0, unit, channels)

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
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Q[uk, vl] = mean over images of (J d[uk])' (diag(p) - p p') (J d[vl]).

    J is the Jacobian of the logits in the weights, d[uk] the change of unit u at option k and p the softmax of
    the network as it is. Cross-entropy's curvature does not depend on labels, so none are used. No per-image
    weight gradient is formed: with g the gradient of a probe with respect to a layer's output, the probe's
    derivative along a change d of output channel o is the sum over positions of g_o * layer(input; d)_o, hence one
    forward of the layer per option and one backward pass of the network per probe.

    Args:
        model: outputs logits [N, C]; used in eval mode and left as it was.
        layers: U units in all, each with the same K options.
        data: images to average over.
        probes: backward passes per batch with labels drawn from p, >= 1; None takes C - 1 probes that give the
            matrix exactly for up to `EXACT_CLASSES` classes, and `SAMPLED_PROBES` drawn ones beyond.
        seed: of the drawn labels.
        batch_size: images at a time; None: up to 32, fewer where their gradients would take over 256 MiB.
        progress: called after every batch with the images done and in all.

    Returns:
        [U*K, U*K] float32, positive semidefinite, in nats.

    Raises:
        UnsupportedProblemError: the matrix would have more than `MAX_COLUMNS` columns.
        OptionError: `probes` or `batch_size` is less than 1.
        ModelError: the network does not give finite logits [N, C] or no gradients of them, or it calls a layer
            with another batch axis than that of the images.

    Source: Martens 2020, "New insights and perspectives on the natural gradient method".
    """
    size = sum(entry.units * len(entry.changes) for entry in layers)
    if size > MAX_COLUMNS:
        raise UnsupportedProblemError(
            f"{size} unit-option pairs would need a matrix of {size**2 * 4 / 2**30:.0f} GiB; the limit is "
            f"{MAX_COLUMNS} pairs: choose a coarser granularity, such as group:8, or fewer options"
        )
    if probes is not None and probes < 1:
        raise OptionError(f"probes must be at least 1, not {probes}")
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.zeros(size, size)
    done = 0
    with eval_mode(model), torch.enable_grad():
        for images, _ in data.batches(batch_size or _batch_size(model, layers, data, probes)):
            factor = _factor(model, layers, images, probes, generator)
            for rows in range(0, size, _BLOCK):
                # The lower triangle only, block by block: half the work.
                part = factor[: rows + _BLOCK]
                matrix[rows : rows + _BLOCK, : rows + _BLOCK].addmm_(part[rows:], part.T)
            done += len(images)
            if progress:
                progress(done, len(data))
    for rows in range(0, size, _BLOCK):
        matrix[:rows, rows : rows + _BLOCK] = matrix[rows : rows + _BLOCK, :rows].T
    return matrix.div_(done)


def _batch_size(model: nn.Module, layers: Sequence[LayerChanges], data: Data, probes: int | None) -> int:
    """Images whose gradients, of all layers and probes, take `_GRADIENT_BYTES` together; 1 to `_MAX_BATCH`."""
    images, _ = next(data.batches(2))
    with recorded([entry.layer for entry in layers], len(images)) as calls:
        classes = forward(model, images).shape[1]
    outputs = sum(call.output.numel() for made in calls for call in made) // len(images)
    count = probes or (classes - 1 if classes <= EXACT_CLASSES else SAMPLED_PROBES)
    return max(1, min(_MAX_BATCH, _GRADIENT_BYTES // max(1, 4 * outputs * count)))


def _factor(
    model: nn.Module, layers: Sequence[LayerChanges], images: Tensor, probes: int | None, generator: torch.Generator
) -> Tensor:
    """Derivative of every probe of every image along every change; [U*K, N*probes]."""
    with recorded([entry.layer for entry in layers], len(images)) as calls:
        logits = forward(model, images)
    if not logits.requires_grad:
        raise ModelError("no gradient of the logits reaches a layer: are they detached, or computed under no_grad?")
    outputs = [call.output for made in calls for call in made]
    # One backward pass per probe: vmap would do the same for most operations, and fail for some.
    with foreign_code(ModelError, "the network's backward pass fails"):
        gradients = [
            torch.autograd.grad(logits, outputs, probe, retain_graph=True, materialize_grads=True)
            for probe in _probes(logits.detach(), probes, generator)
        ]
    by_call = zip(*gradients, strict=True)
    with torch.no_grad():
        return torch.cat(
            [
                _derivatives(entry, len(images), len(gradients), [(call, next(by_call)) for call in made])
                for entry, made in zip(layers, calls, strict=True)
            ]
        )


def _probes(logits: Tensor, count: int | None, generator: torch.Generator) -> Tensor:
    """[probes, N, C]: vectors whose outer products add up to diag(p) - p p', exactly or in expectation."""
    # Double, since p(1 - p) of a confident network is lost in float32.
    p = logits.double().softmax(1)
    one_hot = torch.eye(p.shape[1], dtype=p.dtype)
    if count is None and p.shape[1] <= EXACT_CLASSES:
        # diag(p) - p p' = S (I - s s') S with s = sqrt(p), S = diag(s); the Householder reflection of s to -e_C has
        # -s as its last column, and the others are an orthonormal basis of I - s s'.
        s = p.sqrt()
        reflected = one_hot[:-1, None] - (s / (1 + s[:, -1:])).T[:-1, :, None] * (s + one_hot[-1])
        return (s * reflected).to(logits.dtype)
    count = count or SAMPLED_PROBES
    labels = torch.multinomial(p, count, replacement=True, generator=generator)
    return ((one_hot[labels.T] - p) / math.sqrt(count)).to(logits.dtype)


def _derivatives(
    entry: LayerChanges, images: int, probes: int, calls: Sequence[tuple[Call, Sequence[Tensor]]]
) -> Tensor:
    """Derivative of every probe of every image along every change; [units*K, N*probes].

    Args:
        entry: the layer.
        images: N.
        probes: how many.
        calls: every call of the layer, with every probe's gradient with respect to its output.
    """
    options, channels = entry.changes.shape[:2]
    total = torch.zeros(images, channels, options, probes)
    for call, gradients in calls:
        gradient = torch.stack([by_channel(entry.layer, each) for each in gradients], 2)
        total += responses(entry.layer, call.inputs, entry.changes) @ gradient.transpose(2, 3)
    return entry.per_unit(total.permute(1, 2, 0, 3).reshape(channels, options, -1)).flatten(0, 1)
