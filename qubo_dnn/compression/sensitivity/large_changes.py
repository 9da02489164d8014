"""Where the quadratic model ends: measured losses of large changes, against those that it predicts."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from qubo_dnn.compression.network.dataset import Data
from qubo_dnn.compression.network.inference import Progress, logits
from qubo_dnn.compression.network.losses import Loss
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel

# From three bits on, errors of ResNet-20's channels follow the model within a tenth; pruning is up to four times
# worse than it says.
_LARGE_BITS = 2
_UNITS, _IMAGES, _MOST = 8, 256, 10.0


def measure_nonlinearity(
    model: nn.Module,
    changes: Sequence[LayerChanges],
    options: Sequence[Option],
    sensitivity: QuadraticLossModel,
    data: Data,
    *,
    loss: Loss,
    seed: int = 0,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """How many times worse large changes are than the quadratic model says.

    For every layer and every option of at most two bits, an eighth of the layer's units, drawn at random, take that
    option at once, and the divergence of the network is measured.

    Args:
        model: the network that the sensitivity was measured around; left as it is.
        changes: the same.
        options: K of them.
        sensitivity: over all units and options.
        data: at most 256 of its images are used, drawn by the seed.
        loss: whose divergence is measured.
        seed: of the draws.
        progress: called after every measured loss with the losses done and in all.

    Returns:
        [U, K] measured over predicted, 1 to 10; 1 where nothing was measured, or where less was found.
    """
    large = [k for k, option in enumerate(options) if option.bits <= _LARGE_BITS]
    rng = np.random.default_rng(seed)
    some = data.subset(min(len(data), _IMAGES), seed)
    reference = logits(model, some)
    trial = copy.deepcopy(model)
    ratios, first, done = [], 0, 0
    for entry in changes:
        weight = trial.get_parameter(entry.layer.key)
        original = weight.detach().clone()
        ratio = np.ones((entry.units, len(options)))
        for k in large:
            units = np.sort(rng.permutation(entry.units)[: -(-entry.units // _UNITS)])
            x = np.zeros(len(sensitivity.linear), np.float32)
            x[(first + units) * len(options) + k] = 1.0
            predicted = sensitivity.increase(x)
            rows = entry.layer.rows(original).clone()
            chosen = torch.from_numpy(np.isin(np.arange(entry.layer.channels) // entry.group, units))
            rows[chosen] += entry.layer.rows(entry.changes[k])[chosen].to(rows.dtype)
            with torch.no_grad():
                weight.copy_(entry.layer.layout.weight(rows))
            measured = loss.divergence(reference, logits(trial, some), some.targets)
            if predicted > 0.0:
                ratio[:, k] = min(max(measured / predicted, 1.0), _MOST)
            done += 1
            if progress:
                progress(done, len(changes) * len(large))
        with torch.no_grad():
            weight.copy_(original)
        ratios.append(ratio)
        first += entry.units
    return np.concatenate(ratios)
