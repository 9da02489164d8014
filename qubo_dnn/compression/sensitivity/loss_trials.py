"""Losses of a network with some large changes, each measured by itself, here or on a worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import Loss
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.worker_process import as_worker
from qubo_dnn.compression.quantization.activation_grid import set_activation_grids_
from qubo_dnn.compression.sensitivity.activation_changes import ActivationChanges
from qubo_dnn.compression.sensitivity.many_channels import LinearPrediction, removal_ratios
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges


@dataclass(frozen=True, eq=False)
class RoundingTrial:
    """Some units of a layer take an option.

    Attributes:
        number: number of the layer.
        k: number of the option.
        units: numbers of the units within the layer.

    Example:
        >>> RoundingTrial(number=2, k=0, units=np.array([1, 4])).units.tolist()
        [1, 4]
    """

    number: int
    k: int
    units: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class RemovalTrial:
    """The channels of a layer leave, measured where they are read, see `removal_ratios`.

    Attributes:
        number: number of the layer.
        k: number of the option.
        single: [units] loss of removing a unit while all others stay.

    Example:
        >>> RemovalTrial(number=2, k=0, single=np.array([0.1, 0.2])).k
        0
    """

    number: int
    k: int
    single: NDArray[np.float64]


@dataclass(frozen=True)
class ReadingTrial:
    """A layer reads rounded activations.

    Attributes:
        number: number of the entry of the changes of activations.
        k: number of the option.

    Example:
        >>> ReadingTrial(number=2, k=0).number
        2
    """

    number: int
    k: int


Trial = RoundingTrial | RemovalTrial | ReadingTrial


@dataclass(frozen=True, eq=False)
class Judge:
    """Images, and the outputs of the network for them.

    Example:
        >>> from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
        >>> network = nn.Linear(3, 2)
        >>> Judge.of(network, Data.from_tensors(torch.eye(3))).divergence(network, CROSS_ENTROPY)
        0.0
    """

    data: Data
    outputs: Tensor

    @classmethod
    def of(cls, model: nn.Module, data: Data) -> Judge:
        """Run the network."""
        return cls(data, logits(model, data))

    def divergence(self, trial: nn.Module, loss: Loss) -> float:
        """Return the divergence of a changed network."""
        return loss.divergence(self.outputs, logits(trial, self.data), self.data.targets)


@dataclass(frozen=True, eq=False)
class TrialSubject:
    """What all trials of a measurement share.

    Attributes:
        trial: a copy of the network, which a trial changes and restores.
        changes, activations, loss: see `qubo_dnn.compression.sensitivity.large_changes`.
        judge: images of all trials but removals.
        removals: those of removals, if there are any.
        covariances: of what layers read that are behind removed channels.
        process: the process that the trials come from.

    Example:
        >>> def images(subject: TrialSubject) -> int:
        ...     return len(subject.judge.data)
    """

    trial: nn.Module
    changes: Sequence[LayerChanges]
    activations: Sequence[ActivationChanges]
    loss: Loss
    judge: Judge
    removals: Judge | None
    covariances: Mapping[str, Tensor]
    process: str


def measured_trial(subject: TrialSubject, each: Trial) -> float | NDArray[np.float64]:
    """Return the divergence of a trial; of a removal the ratio of every unit, see `removal_ratios`.

    Example:
        >>> from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network = nn.Sequential(nn.Linear(3, 2))
        >>> layer = find_layers(network).layers[0]
        >>> pruned = LayerChanges(layer, 1, -layer.weight.detach()[None])
        >>> judge = Judge.of(network, Data.from_tensors(torch.eye(3)))
        >>> subject = TrialSubject(network, [pruned], [], CROSS_ENTROPY, judge, None, {}, "here")
        >>> measured_trial(subject, RoundingTrial(0, 0, np.array([0, 1]))) > 0.0
        True
    """
    with as_worker(subject.process):
        trial = subject.trial
        if isinstance(each, ReadingTrial):
            reading = subject.activations[each.number]
            grid = reading.grids[each.k]
            assert grid is not None  # 32 bits are not few
            set_activation_grids_(trial, {reading.layer.name: grid})
            try:
                return subject.judge.divergence(trial, subject.loss)
            finally:
                set_activation_grids_(trial, {})
        entry = subject.changes[each.number]
        if isinstance(each, RemovalTrial):
            assert subject.removals is not None
            apart = partial(subject.removals.divergence, trial, subject.loss)
            predictions = [LinearPrediction(read, subject.covariances.get(read.name)) for read in entry.reads]
            return removal_ratios(trial, entry, each.single, predictions, apart)
        chosen = torch.from_numpy(np.isin(np.arange(entry.layer.channels) // entry.group, each.units))
        with _changed(trial, entry, each.k, chosen):
            return subject.judge.divergence(trial, subject.loss)


@contextmanager
def _changed(model: nn.Module, entry: LayerChanges, k: int, chosen: Tensor) -> Iterator[None]:
    """Give some channels of a layer the weights of the k-th option until the block ends.

    Args:
        model: the network; changed in place.
        entry: a layer with its changes.
        k: number of the option.
        chosen: [channels] bool.
    """
    weight = model.get_parameter(entry.layer.key)
    original = weight.detach().clone()
    rows = entry.layer.rows(original).clone()
    rows[chosen] += entry.layer.rows(entry.changes[k])[chosen].to(rows.dtype)
    with torch.no_grad():
        weight.copy_(entry.layer.layout.weight(rows))
    try:
        yield
    finally:
        with torch.no_grad():
            weight.copy_(original)
