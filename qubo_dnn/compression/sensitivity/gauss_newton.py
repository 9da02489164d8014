"""Measuring what every option of every unit does to the loss, to second order: the generalized Gauss-Newton matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from qubo_dnn.compression.network.dataset import Data
from qubo_dnn.compression.network.inference import Progress, eval_mode
from qubo_dnn.compression.network.losses import CROSS_ENTROPY, Loss
from qubo_dnn.compression.sensitivity.accumulator import GIB, Sums
from qubo_dnn.compression.sensitivity.checkpoint import Checkpoint, fingerprint
from qubo_dnn.compression.sensitivity.directional_derivatives import RecordedRun
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.errors import ModelError, OptionError

# More images in a batch gain nothing; larger gradients leave the caches, and soon the memory.
_MAX_BATCH, _WORKING_BYTES = 32, 1 << 29


def gauss_newton(
    model: nn.Module,
    layers: Sequence[LayerChanges],
    data: Data,
    *,
    loss: Loss = CROSS_ENTROPY,
    reference: Tensor | None = None,
    probes: int | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    memory: float = 8.0,
    as_factor: bool = False,
    checkpoint: Path | None = None,
    replaced: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> QuadraticLossModel:
    """The loss increase of any choice of options, to second order in the outputs.

    Q[uk, vl] = mean over images of (J d[uk])' H (J d[vl]), with J the Jacobian of the outputs in the weights, d[uk]
    the change of unit u at option k, and H the Hessian of the loss in the outputs of the network as it is. With a
    reference, the model is that of the distance to it: with H = S S' and r the outputs minus the reference's, the
    least squares |S'(r + J d)|^2 / 2, so that linear[uk] = mean (S'r)'(S'J d[uk]) and offset = mean |S'r|^2 / 2. The
    gradient of the loss itself is left out: at a trained optimum it is noise.

    Args:
        model: used in eval mode and left as it was.
        layers: U units in all, each with the same K options.
        data: images to average over.
        loss: that outputs and targets fit. Only a loss of the caller's has a curvature that depends on targets.
        reference: outputs [N, ...] of the original network for the same images; None: those of `model` itself.
        probes: backward passes per batch with drawn vectors, >= 1; None: see `Loss.curvature`.
        seed: of drawn vectors, >= 0.
        batch_size: images at a time; None: up to 32, fewer where the work on them would take over 512 MiB or a
            quarter of `memory`.
        memory: GiB that the result and the work on a batch (calls and gradients of all layers, responses of the
            largest, columns of the factor) may take. The network, the data, the changes and torch itself are not
            counted.
        as_factor: the result is to be a factor wherever that fits, since its matrix would be too large for what
            comes after.
        checkpoint: file that the measurement is saved to as it goes on, and continued or read from where it is
            there; None: nothing is saved. A continued measurement is bit for bit the uninterrupted one of as many
            threads.
        replaced: called with one line where `checkpoint` is damaged or of another measurement, which is then replaced;
            None: such a file is refused.
        progress: called after every batch with the images done and in all.

    Returns:
        Sensitivity in the unit of the loss.

    Raises:
        UnsupportedProblemError: the result would take more than `memory`.
        OptionError: an option is out of range, or a loss of the caller's fails or has no curvature (as that of
            absolute errors): all options would seem harmless.
        ModelError: the network does not give finite outputs that fit the loss or the reference, or no gradients of
            them, or it calls a layer with another batch axis than that of the images.
        DataError: the targets do not fit the outputs.
        FileFormatError: `checkpoint` is refused.
        OutputError: `checkpoint` cannot be written.

    Source: Martens 2020, "New insights and perspectives on the natural gradient method".
    """
    for name, value, least in (("probes", probes, 1), ("batch size", batch_size, 1), ("seed", seed, 0)):
        if value is not None and value < least:
            raise OptionError(f"{name} must be at least {least}, not {value}")
    with eval_mode(model), torch.enable_grad():
        drawn, per_image = _rehearse(model, layers, data, loss, reference, probes)
        if batch_size is None:
            batch_size = max(1, min(_MAX_BATCH, int(min(_WORKING_BYTES, memory * GIB / 4) // per_image)))
        size = sum(entry.units * len(entry.changes) for entry in layers)
        sums = Sums(size, len(data), drawn, memory, batch_size * per_image, as_factor)
        saved = None
        if checkpoint is not None:
            about = {"loss": loss.name, "probes": probes, "seed": seed, "batch size": batch_size}
            saved = Checkpoint(checkpoint, fingerprint(model, layers, data, reference, about))
            saved.load(sums, replaced)
        for images, targets in data.batches(batch_size, start=sums.images):
            run = RecordedRun.of(model, layers, images)
            outputs = run.outputs.detach()
            loss.check(outputs, targets, data.name)
            vectors = loss.curvature(outputs, targets, probes, _generator(seed, sums.images))
            residuals = None
            if reference is not None:
                distance = outputs - reference[sums.images : sums.images + len(images)]
                residuals = (vectors.double() * distance).flatten(2).sum(2).T.flatten()
            sums.add(run.derivatives(vectors), residuals)
            if saved:
                saved.save_if_due(sums, finished=sums.images == len(data))
            if progress:
                progress(sums.images, len(data))
    found = sums.sensitivity()
    if reference is None and (harmless := _harmless(found, layers)):
        which = "any layer" if len(harmless) == len(layers) else f"the layer {harmless[0]!r}"
        raise OptionError(
            f"to second order no option of {which} changes the loss {loss.name!r}: the loss has no curvature in the "
            "outputs, or not in those that the layer reaches; a layer that is skipped stays as it is"
        )
    return found


def _harmless(found: QuadraticLossModel, layers: Sequence[LayerChanges]) -> list[str]:
    """Layers all of whose changes seem to do nothing: nothing was measured of them, so they must not be changed."""
    ends = np.cumsum([entry.units * len(entry.changes) for entry in layers])
    parts = np.split(found.diagonal(), ends[:-1])
    return [entry.layer.name for entry, part in zip(layers, parts, strict=True) if entry.effective and not part.any()]


def _rehearse(
    model: nn.Module,
    layers: Sequence[LayerChanges],
    data: Data,
    loss: Loss,
    reference: Tensor | None,
    probes: int | None,
) -> tuple[int, int]:
    """Probes of an image, and bytes that the work on it takes, from a run of two."""
    images, targets = next(data.batches(2))
    run = RecordedRun.of(model, layers, images)
    outputs = run.outputs.detach()
    loss.check(outputs, targets, data.name)
    expected = (len(data), *outputs.shape[1:])
    if reference is not None and reference.shape != expected:
        raise ModelError(
            f"the reference outputs are of shape {tuple(reference.shape)}, those of the network {expected}"
        )
    drawn = len(loss.curvature(outputs, targets, probes, _generator(0, 0)))
    return drawn, run.bytes_per_image(drawn)


def _generator(seed: int, image: int) -> torch.Generator:
    """That of the batch from `image` on, so that a continued measurement draws what an uninterrupted one does."""
    state = np.random.SeedSequence([seed, image]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))
