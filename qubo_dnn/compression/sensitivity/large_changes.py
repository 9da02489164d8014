"""Measure the losses of large changes, and compare them with those that the quadratic model predicts."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qubo_dnn.cluster.cluster import Cluster
from qubo_dnn.cluster.tasks import ordered_map
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import Loss
from qubo_dnn.compression.network.inference import Progress, logits
from qubo_dnn.compression.network.worker_process import current_process
from qubo_dnn.compression.sensitivity.activation_changes import ActivationChanges
from qubo_dnn.compression.sensitivity.loss_trials import (
    Judge,
    ReadingTrial,
    RemovalTrial,
    RoundingTrial,
    Trial,
    TrialSubject,
    measured_trial,
)
from qubo_dnn.compression.sensitivity.many_channels import input_covariances, steps_of
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel

# From three bits on, the losses of ResNet-20's channels agree with the model within 10 %; pruning costs up to four
# times the predicted loss.
_LARGE_BITS = 2
# Of activations: all of a tensor are rounded at once.
_LARGE_ACTIVATION_BITS = 4
_UNITS, _MOST = 8, 10.0
# With fewer images the ratios get noisy: with 64 of ResNet-20 and 128 of a small network, some plans got clearly worse.
_FEWEST, _IMAGES = 64, 256
# Within these limits, forward passes for every backward pass of the measurement of the sensitivity, which takes as long
# as two or three.
_PASSES = 2.5


def measure_nonlinearity(
    model: nn.Module,
    changes: Sequence[LayerChanges],
    options: Sequence[Option],
    sensitivity: QuadraticLossModel,
    data: Data,
    *,
    activations: Sequence[ActivationChanges] = (),
    loss: Loss,
    probes: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    cluster: Cluster | None = None,
) -> NDArray[np.float64]:
    """Measure the ratio of actual to predicted loss for large changes.

    For every layer and every option of at most two bits, a random eighth of the units takes that option at once, and
    the divergence of the network is measured; and so it is for every layer that reads activations of at most four bits.
    Removal that is measured where channels are read has a ratio for every unit, see `removal_ratios`: the single losses
    predict it, the number of channels that leave before counts, and what stays makes up for it.

    Args:
        model: the network around which the sensitivity was measured, without grids of activations; not changed.
        changes: the changes of its layers.
        options: the K options.
        sensitivity: loss model over all units and options.
        activations: the changes of what layers read, as they were measured.
        data: images; 64 to 256 of them, or all if there are fewer, are used, drawn at random: so many that this takes
            less time than measuring the sensitivity.
        loss: the loss that defines the divergence.
        probes: number of random vectors of the measurement of the sensitivity, see `gauss_newton`.
        seed: random seed of the units and images.
        progress: called after every measured loss, or those of a layer, with the number of losses done and their total.
        cluster: workers that measure the losses, each on one thread; None: all is measured here.

    Returns:
        [U, K] measured over predicted loss, 1 to 10; 1 if it was not measured, or if the measured loss is smaller. Of
        removal where channels are read, any positive number.

    Example:
        >>> from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
        >>> from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network, data = nn.Sequential(nn.Linear(3, 2)), Data.from_tensors(torch.eye(3), torch.tensor([0, 1, 0]))
        >>> layer = find_layers(network).layers[0]
        >>> prune_or_keep = LayerChanges(layer, 1, torch.stack([-layer.weight.detach(), torch.zeros(2, 3)]))
        >>> options, model = (Option(0), Option(8)), gauss_newton(network, [prune_or_keep], data)
        >>> factors = measure_nonlinearity(network, [prune_or_keep], options, model, data, loss=CROSS_ENTROPY)
        >>> factors.shape, float(factors.min()) >= 1.0
        ((2, 2), True)
    """
    large = [k for k, option in enumerate(options) if option.bits <= _LARGE_BITS]
    rng = np.random.default_rng(seed)
    some = data.subset(min(len(data), _IMAGES), seed)
    reference = logits(model, some.subset(1, seed))
    passes = len(loss.curvature(reference, some.subset(1, seed).targets, probes, torch.Generator()))
    read = [
        (number, k)
        for number, entry in enumerate(activations)
        for k in entry.effective
        if options[k].bits <= _LARGE_ACTIVATION_BITS
    ]
    channelwise = [entry for entry in changes if entry.reads and entry.removal is not None]
    total = len(changes) * len(large) + len(read) + sum(steps_of(entry) - 1 for entry in channelwise)
    affordable = int(_PASSES * passes * len(data) / max(1, total))
    some = some.subset(min(len(some), max(_FEWEST, affordable)), seed)
    judged = None
    covariances: dict[str, Tensor] = {}
    if channelwise:
        # What is fitted to images says too little about the same ones.
        fitted, others = data.split(-(-3 * len(data) // 4), seed) if len(data) > 3 else (data, data)
        judged = Judge.of(model, others.subset(min(len(others), len(some)), seed))
        covariances = input_covariances(model, (read for entry in channelwise for read in entry.reads), fitted)
    single = sensitivity.diagonal().reshape(-1, len(options)) / 2.0
    first = np.cumsum([0, *(entry.units for entry in changes)])
    trials: list[Trial] = []
    for number, entry in enumerate(changes):
        for k in large:
            if entry.reads and k == entry.removal:
                trials.append(RemovalTrial(number, k, single[first[number] : first[number + 1], k]))
            else:
                trials.append(
                    RoundingTrial(number, k, np.sort(rng.permutation(entry.units)[: -(-entry.units // _UNITS)]))
                )
    trials += [ReadingTrial(number, k) for number, k in read]
    subject = TrialSubject(
        copy.deepcopy(model), changes, activations, loss, Judge.of(model, some), judged, covariances, current_process()
    )

    ratios = np.ones((first[-1] + len(activations), len(options)))
    done = 0
    measured = ordered_map(cluster, measured_trial, ((each,) for each in trials), subject)
    for each, found in zip(trials, measured, strict=True):
        number, k = each.number, each.k
        if isinstance(each, RemovalTrial):
            ratios[first[number] : first[number + 1], k] = found
            done += steps_of(changes[number])
        else:
            # Activations stand behind all layers.
            units = each.units + first[number] if isinstance(each, RoundingTrial) else np.array([first[-1] + number])
            x = np.zeros(len(sensitivity.linear), np.float32)
            x[units * len(options) + k] = 1.0
            predicted = sensitivity.increase(x)
            rows = slice(first[number], first[number + 1]) if isinstance(each, RoundingTrial) else units
            ratios[rows, k] = min(max(found / predicted, 1.0), _MOST) if predicted > 0.0 else 1.0
            done += 1
        if progress:
            progress(done, total)
    return ratios
