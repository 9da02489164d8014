"""Measure the effect of every option on the loss to second order: the generalized Gauss-Newton matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from qubo_dnn.cluster.cluster import Cluster
from qubo_dnn.cluster.tasks import ordered_map
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY, Loss
from qubo_dnn.compression.network.inference import Progress, measuring
from qubo_dnn.compression.network.layer_usage import requiring_gradients
from qubo_dnn.compression.network.worker_process import as_worker, current_process
from qubo_dnn.compression.sensitivity.accumulator import GIB, Part, Sums
from qubo_dnn.compression.sensitivity.activation_changes import ActivationChanges
from qubo_dnn.compression.sensitivity.checkpoint import Checkpoint, fingerprint
from qubo_dnn.compression.sensitivity.directional_derivatives import RecordedRun, variables
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.errors import ModelError, OptionError

# Larger batches are not faster; larger gradients exceed the caches, and soon the memory.
_MAX_BATCH, _WORKING_BYTES = 32, 1 << 29


def gauss_newton(
    model: nn.Module,
    layers: Sequence[LayerChanges],
    data: Data,
    *,
    activations: Sequence[ActivationChanges] = (),
    loss: Loss = CROSS_ENTROPY,
    reference: Tensor | None = None,
    probes: int | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    memory: float = 8.0,
    as_factor: bool = False,
    checkpoint: Path | None = None,
    replaced: Callable[[str], None] | None = None,
    resumed: Callable[[int, int], None] | None = None,
    progress: Progress | None = None,
    cluster: Cluster | None = None,
) -> QuadraticLossModel:
    """Measure the loss increase of any choice of options, to second order in the outputs.

    Q[uk, vl] = mean over images of (J d[uk])' H (J d[vl]), with J the Jacobian of the outputs in the weights, d[uk]
    the change of unit u at option k, and H the Hessian of the loss in the outputs of the present network. With a
    reference, the model describes the distance to it: with H = S S' and r the outputs minus the reference's, the
    least squares |S'(r + J d)|^2 / 2, so that linear[uk] = mean (S'r)'(S'J d[uk]) and offset = mean |S'r|^2 / 2. The
    gradient of the loss itself is omitted: at a trained optimum it is noise.

    Args:
        model: the network, used in eval mode and not changed.
        layers: layers with their units, all with the same K options.
        activations: changes of what layers read, each a further unit behind those of the layers: U units in total. As
            d[uk], a change of what a layer reads stands for what it does to the layer's output.
        data: images to average over.
        loss: the loss. Only the curvature of a user's loss depends on targets.
        reference: outputs [N, ...] of the original network for the same images; None: those of `model` itself.
        probes: number of random vectors, and so of backward passes per batch, >= 1; None: see `Loss.curvature`.
        seed: random seed of the vectors, >= 0.
        batch_size: images per batch; None: up to 32, fewer if the work on them would take over 512 MiB or a quarter of
            `memory`.
        memory: limit in GiB for the result and the work on a batch (calls and gradients of all layers, responses of
            the largest, columns of the factor). The network, the data, the changes and torch itself do not count.
        as_factor: return a factor whenever it fits, because the matrix would be too large for later stages.
        checkpoint: file in which the measurement is saved at intervals; if it exists, the measurement resumes from it.
            None: nothing is saved. A resumed measurement equals an uninterrupted one with the same number of threads
            bit for bit.
        replaced: called with one line if `checkpoint` is damaged or from another measurement and is replaced; None:
            such a file is refused.
        resumed: called with the number of images that `checkpoint` has, if there are any, and their total.
        progress: called after every part, some batches, with the number of images done and their total.
        cluster: workers that measure the parts, each on one thread; this process adds them up in the order of the
            images, so that the sums are those of a measurement on one thread here, bit for bit. None: all is measured
            here.

    Returns:
        Sensitivity in the unit of the loss.

    Raises:
        UnsupportedProblemError: the result would take more than `memory`.
        OptionError: an option is out of range, or the user's loss fails or has no curvature (like that of absolute
            errors), so that all options would seem harmless.
        ModelError: the network does not return finite outputs with gradients that fit the loss and the reference, or
            it calls a layer with a batch axis that is not that of the images.
        DataError: the targets do not fit the outputs.
        FileFormatError: `checkpoint` is refused.
        OutputError: `checkpoint` cannot be written.

    Source: Martens 2020, "New insights and perspectives on the natural gradient method".

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network, data = nn.Sequential(nn.Linear(3, 2)), Data.from_tensors(torch.eye(3), torch.tensor([0, 1, 0]))
        >>> layer = find_layers(network).layers[0]
        >>> prune_or_keep = LayerChanges(layer, 1, torch.stack([-layer.weight.detach(), torch.zeros(2, 3)]))
        >>> model = gauss_newton(network, [prune_or_keep], data)
        >>> model.matrix.shape, float(model.diagonal()[1])  # keeping a unit costs nothing
        ((4, 4), 0.0)
    """
    for name, value, least in (("probes", probes, 1), ("batch size", batch_size, 1), ("seed", seed, 0)):
        if value is not None and value < least:
            raise OptionError(f"{name} must be at least {least}, not {value}")
    weights = [entry.layer.weight for entry in layers if not entry.layer.by_calls]
    with measuring(model), requiring_gradients(weights):
        drawn, per_image = rehearse(model, layers, data, loss, probes, activations, reference)
        if batch_size is None:
            batch_size = images_at_once(per_image, memory)
        sums = Sums(variables(layers, activations), len(data), drawn, memory, batch_size * per_image, as_factor)
        saved = None
        if checkpoint is not None:
            about = {"loss": loss.name, "probes": probes, "seed": seed, "batch size": batch_size}
            saved = Checkpoint(checkpoint, fingerprint(model, layers, data, reference, about, activations))
            saved.load(sums, replaced)
            if sums.images and resumed:
                resumed(sums.images, len(data))
        subject = _Subject(
            *(model, layers, activations, loss, probes, seed),
            *(batch_size, drawn, sums.is_matrix, data.name, current_process()),
        )
        parts = _parts(data, batch_size * sums.batches_at_once(batch_size), sums.images, reference)
        for part in ordered_map(cluster, _measured, parts, subject):
            sums.add(part)
            if saved:
                saved.save_if_due(sums, finished=sums.images == len(data))
            if progress:
                progress(sums.images, len(data))
    found = sums.sensitivity()
    if reference is None:
        _check_curvature(found, layers, loss)
    return found


@dataclass(frozen=True, eq=False)
class _Subject:
    """What all parts of a measurement share, see `gauss_newton`.

    Attributes:
        drawn: number of probes of an image.
        as_matrix: see `Part.of`.
        data: name of the data.
        process: the process that adds up the parts.
    """

    model: nn.Module
    layers: Sequence[LayerChanges]
    activations: Sequence[ActivationChanges]
    loss: Loss
    probes: int | None
    seed: int
    batch_size: int
    drawn: int
    as_matrix: bool
    data: str
    process: str


_Images = tuple[int, Inputs, Tensor | None, Tensor | None]


def _parts(data: Data, size: int, start: int, reference: Tensor | None) -> Iterator[_Images]:
    """Generate the number of the first image of every part, its images, targets, and outputs of the reference."""
    for images, targets in data.batches(size, start=start):
        last = start + len(images)
        yield start, images, targets, None if reference is None else reference[start:last]
        start = last


def _measured(subject: _Subject, start: int, images: Inputs, targets: Tensor | None, expected: Tensor | None) -> Part:
    """Measure a part, batch by batch."""
    model, layers, loss = subject.model, subject.layers, subject.loss
    weights = [entry.layer.weight for entry in layers if not entry.layer.by_calls]
    measured = []
    with as_worker(subject.process), measuring(model), requiring_gradients(weights):
        for first in range(0, len(images), subject.batch_size):
            batch = slice(first, first + subject.batch_size)
            goals = None if targets is None else targets[batch]
            run = RecordedRun.of(model, layers, images[batch], subject.activations)
            outputs = run.outputs.detach().cpu()
            loss.check(outputs, goals, subject.data)
            vectors = loss.curvature(outputs, goals, subject.probes, _generator(subject.seed, start + first))
            residuals = _residuals(vectors, outputs, None if expected is None else expected[batch])
            measured.append((run.derivatives(vectors), residuals))
        return Part.of(measured, subject.drawn, subject.as_matrix)


def _residuals(vectors: Tensor, outputs: Tensor, expected: Tensor | None) -> Tensor | None:
    """Return the products of a batch's distances from the expected outputs with the vectors; None without these."""
    if expected is None:
        return None
    return (vectors.double() * (outputs - expected)).flatten(2).sum(2).T.flatten()


def _check_curvature(found: QuadraticLossModel, layers: Sequence[LayerChanges], loss: Loss) -> None:
    """Refuse a loss that no option of some layer changes.

    Raises:
        OptionError: see `gauss_newton`.
    """
    if harmless := _harmless(found, layers):
        which = "any layer" if len(harmless) == len(layers) else f"the layer {harmless[0]!r}"
        raise OptionError(
            f"to second order no option of {which} changes the loss {loss.name!r}: the loss has no curvature in the "
            "outputs, or not in those that the layer reaches; a layer that is skipped stays as it is"
        )


def _harmless(found: QuadraticLossModel, layers: Sequence[LayerChanges]) -> list[str]:
    """Return the layers whose changes all seem to have no effect: they were not measured and must not be changed."""
    ends = np.cumsum([entry.units * len(entry.changes) for entry in layers])
    parts = np.split(found.diagonal(), ends)
    return [entry.layer.name for entry, part in zip(layers, parts, strict=False) if entry.effective and not part.any()]


def images_at_once(per_image: int, memory: float) -> int:
    """Return the number of images in a batch.

    Args:
        per_image: bytes of work per image.
        memory: limit in GiB; a quarter of it may be taken.

    Example:
        >>> images_at_once(1 << 25, memory=8.0), images_at_once(1 << 10, memory=8.0)
        (16, 32)
    """
    return max(1, min(_MAX_BATCH, int(min(_WORKING_BYTES, memory * GIB / 4) // per_image)))


def rehearse(
    model: nn.Module,
    layers: Sequence[LayerChanges],
    data: Data,
    loss: Loss,
    probes: int | None,
    activations: Sequence[ActivationChanges] = (),
    reference: Tensor | None = None,
) -> tuple[int, int]:
    """Return the probes per image and the bytes of work per image, from a run of two images; see `gauss_newton`.

    The network must be in eval mode, with gradients of weights that are measured through their parameter.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network = nn.Sequential(nn.Linear(3, 2)).eval()
        >>> layer = find_layers(network).layers[0]
        >>> prune_or_keep = LayerChanges(layer, 1, torch.stack([-layer.weight.detach(), torch.zeros(2, 3)]))
        >>> rehearse(network, [prune_or_keep], Data.from_tensors(torch.eye(3)), CROSS_ENTROPY, None)[0]
        1
    """
    images, targets = next(data.batches(2))
    run = RecordedRun.of(model, layers, images, activations)
    outputs = run.outputs.detach().cpu()
    loss.check(outputs, targets, data.name)
    expected = (len(data), *outputs.shape[1:])
    if reference is not None and reference.shape != expected:
        raise ModelError(
            f"the reference outputs are of shape {tuple(reference.shape)}, those of the network {expected}"
        )
    drawn = len(loss.curvature(outputs, targets, probes, _generator(0, 0)))
    return drawn, run.bytes_per_image(drawn)


def _generator(seed: int, image: int) -> torch.Generator:
    """Make the generator of the batch from `image` on, so that a resumed measurement draws the same vectors."""
    state = np.random.SeedSequence([seed, image]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))
