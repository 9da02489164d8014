"""What measuring a network will take: time and memory, from the work on a few samples."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import Loss
from qubo_dnn.compression.network.inference import Progress, measuring
from qubo_dnn.compression.network.layer_usage import requiring_gradients
from qubo_dnn.compression.network.layers import Inventory, Layer
from qubo_dnn.compression.sensitivity.accumulator import MATRIX, SumsSize
from qubo_dnn.compression.sensitivity.directional_derivatives import RecordedRun
from qubo_dnn.compression.sensitivity.gauss_newton import images_at_once, rehearse
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.options import FLOAT_BITS, Option

# Seconds that one timed run may take, seconds after which there is no other one, and most runs.
_SECONDS, _ENOUGH, _RUNS = 1.0, 1.2, 3
_ROWS, _COLUMNS, _MOST_PAIRS = 512, 512, 4096


@dataclass(frozen=True, kw_only=True)
class MeasurementCost:
    """The work of one measurement of a network.

    Attributes:
        images: number of images that it measures on.
        probes: backward passes for every image.
        working_bytes: memory for the work on a batch.
        seconds_per_image: time of forward and backward passes, and of the derivatives along all options.
        seconds_per_product: time per pair of entries and column, to add columns to a matrix.

    Example:
        >>> rates = {"seconds_per_image": 0.01, "seconds_per_product": 1e-11}
        >>> cost = MeasurementCost(images=100, probes=9, working_bytes=1 << 20, **rates)
        >>> cost.columns, round(cost.seconds(1000, "matrix"), 4), cost.seconds(1000, "factor")
        (900, 1.0045, 1.0)
    """

    images: int
    probes: int
    working_bytes: int
    seconds_per_image: float
    seconds_per_product: float

    @property
    def columns(self) -> int:
        """Number of columns: probes of all images."""
        return self.images * self.probes

    def size(self, pairs: int) -> SumsSize:
        """Return the memory for a number of unit-option pairs."""
        return SumsSize(pairs, self.columns, self.working_bytes)

    def seconds(self, pairs: int, form: str) -> float:
        """Return the time for a number of unit-option pairs in this form, "matrix" or "factor"."""
        # Half of a symmetric matrix is computed.
        products = pairs * (pairs + 1) / 2 * self.columns if form == MATRIX else 0.0
        return self.images * self.seconds_per_image + products * self.seconds_per_product


def measurement_cost(
    inventory: Inventory,
    data: Data,
    options: Sequence[Option],
    *,
    images: int,
    loss: Loss,
    probes: int | None = None,
    memory: float = 8.0,
    progress: Progress | None = None,
) -> MeasurementCost:
    """Time the work of `gauss_newton` on a few samples.

    Weights are scaled in place of being quantized, since the work does not depend on their values.

    Args:
        inventory: the network and its layers, as they are measured.
        data: at least one sample; their interface states the compared outputs.
        options: options of every unit.
        images: number of images that the measurement will have.
        loss: loss of the outputs.
        probes: see `qubo_dnn.compression.sensitivity.gauss_newton.gauss_newton`.
        memory: limit in GiB, which the size of a batch depends on.
        progress: called after every run with the number of runs done and their total.

    Raises:
        ModelError: the network does not return finite outputs with gradients, or they do not fit the loss.

    Example:
        >>> from torch import nn
        >>> from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> inventory, data = find_layers(nn.Sequential(nn.Linear(3, 2))), Data.from_tensors(torch.eye(3))
        >>> cost = measurement_cost(inventory, data, (Option(0), Option(4)), images=10, loss=CROSS_ENTROPY)
        >>> cost.columns, cost.seconds(4, "matrix") > 0.0
        (10, True)
    """
    changes = [LayerChanges(layer, 1, _scaled(layer, options)) for layer in inventory.layers]
    weights = [layer.weight for layer in inventory.layers if not layer.by_calls]
    with measuring(inventory.model), requiring_gradients(weights):
        drawn, per_image = rehearse(inventory.model, changes, data, loss, probes)
        batch = images_at_once(per_image, memory)

        def timed(count: int) -> float:
            inputs, targets = next(data.batches(count))
            started = time.perf_counter()
            run = RecordedRun.of(inventory.model, changes, inputs)
            outputs = run.outputs.detach().cpu()
            run.derivatives(loss.curvature(outputs, targets, probes, torch.Generator().manual_seed(0)))
            return (time.perf_counter() - started) / len(inputs)

        # An image takes longer among few, so that as many as a second allows are taken; other work only adds to that.
        few = min(2, len(data), batch)
        taken = [timed(few)]
        spent = few * taken[0]
        # The first run loads and allocates what later ones find.
        if spent <= _ENOUGH:
            taken.append(timed(few))
            spent += few * taken[-1]
        count = min(batch, len(data), int(_SECONDS / min(taken)))
        for number in range(_RUNS if count >= few else 0):
            taken.append(timed(count))
            spent += count * taken[-1]
            if progress:
                progress(number + 1, _RUNS)
            if spent > _ENOUGH:
                break
    return MeasurementCost(
        images=images,
        probes=drawn,
        working_bytes=batch * per_image,
        seconds_per_image=min(taken),
        seconds_per_product=_seconds_per_product(sum(entry.units for entry in changes) * len(options)),
    )


def _scaled(layer: Layer, options: Sequence[Option]) -> Tensor:
    """Return changes [K, *weight.shape] that are zero, or remove the weight, where those of the options do."""
    factors = [-1.0 if not each.bits else 0.0 if each.bits == FLOAT_BITS else 0.5**each.bits for each in options]
    weight = layer.weight.detach().float()
    return torch.stack([factor * weight for factor in factors])


def _seconds_per_product(pairs: int) -> float:
    """Time the product that adds columns to some rows of a matrix."""
    width = min(pairs, _MOST_PAIRS)
    rows, columns = torch.ones(min(pairs, _ROWS), _COLUMNS), torch.ones(_COLUMNS, width)
    storage = torch.zeros(len(rows), width)
    storage.addmm_(rows, columns)
    taken = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        storage.addmm_(rows, columns)
        taken.append(time.perf_counter() - started)
    return min(taken) / (storage.numel() * _COLUMNS)
