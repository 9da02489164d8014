"""Inspect a network before anything is done to it: what can be compressed, and what each granularity would take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.inspection.figures import GranularityCost, LayerInspection, NetworkInspection
from qubo_dnn.compression.inspection.measurement_cost import MeasurementCost, measurement_cost
from qubo_dnn.compression.losses.joint_loss import LossTerm
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY, Loss
from qubo_dnn.compression.network.call_counts import count_calls
from qubo_dnn.compression.network.fitting import fit
from qubo_dnn.compression.network.layer_usage import usage
from qubo_dnn.compression.network.layers import Inventory, Layer, find_layers
from qubo_dnn.compression.network.loading import as_float32, check_fit, check_network, folded
from qubo_dnn.compression.network.macs import count_macs
from qubo_dnn.compression.rewriting.stored_entries import file_contents
from qubo_dnn.compression.search.loss_modeller import bytes_of_pairs
from qubo_dnn.compression.search.progress import CompressionReporter, SilentReporter, StageClock
from qubo_dnn.compression.search.removable import find_removable_channels, groups_of
from qubo_dnn.compression.search.task_builder import layer_shape
from qubo_dnn.compression.sensitivity.accumulator import GIB, MATRIX
from qubo_dnn.compression.task.granularity import COUPLED, group_size
from qubo_dnn.compression.task.layer_rules import Rules
from qubo_dnn.compression.task.options import Option
from qubo_dnn.errors import OptionError

GRANULARITIES = ("layer", "group:16", "channel")
# How weights are used is seen on so many samples.
_EXAMINED = 8
_FORMAT = "channel"


def inspect_network(
    model: nn.Module,
    data: Data | None = None,
    *,
    options: Sequence[Option] = (Option(0), Option(2), Option(3), Option(4), Option(6), Option(8)),
    granularities: Sequence[str] = GRANULARITIES,
    skip: Sequence[str] = (),
    loss: Loss = CROSS_ENTROPY,
    outputs: Sequence[LossTerm] = (),
    held_out: float = 0.25,
    samples: int | None = None,
    probes: int | None = None,
    memory: float = 8.0,
    reporter: CompressionReporter | None = None,
) -> NetworkInspection:
    """Inspect a network; it is not changed.

    Args:
        model: the network.
        data: calibration samples, or any others that it takes. None: calls, multiply-accumulates, what nothing reads,
            and the time and memory of a measurement are not known.
        options: options of every unit.
        granularities: see `qubo_dnn.compression.task.granularity`; "coupled-channel" needs samples.
        skip: layers to leave alone, as in `qubo_dnn.compression.task.layer_rules.Rules`.
        loss: loss of the outputs.
        outputs: the compared outputs; empty: the only one.
        held_out: share of the calibration samples that a compression holds out, and does not measure on.
        samples: number of calibration samples of the compression; None: as many as `data` has.
        probes: see `qubo_dnn.compression.search.settings.SearchSettings`.
        memory: limit of the measurement and of the problem in GiB.
        reporter: receives progress events.

    Raises:
        ModelError: the model is not a network, no weight can be compressed, or the outputs do not fit the loss.
        DataError: the network does not accept the samples.
        OptionError: a granularity or a layer to skip does not exist, or needs samples.

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(32, 4))
        >>> found = inspect_network(network, Data.from_tensors(torch.ones(8, 1, 4, 4)), granularities=["group:4"])
        >>> [layer.macs for layer in found.layers], found.granularities[0].variables
        ([288, 128], 18)
    """
    check_network(model)
    for granularity in granularities:
        group_size(granularity, 1)
    clock = StageClock(reporter or SilentReporter())
    given = folded(model)
    model = as_float32(given)
    everything = find_layers(model)
    names = [layer.name for layer in everything.layers]
    reasons: dict[str, str] = dict.fromkeys(Rules.parse(skip).skipped(names), "skipped, as asked")
    inventory, calls, macs, examined = everything, {}, {}, 0
    if data is not None:
        interface, loss = fit(given, data, outputs, loss)
        data = data.with_interface(interface)
        check_fit(given, data, loss)
        clock.stage("examine")
        few = data.subset(min(len(data), _EXAMINED), 0)
        used = usage(everything, few, progress=clock.progress)
        reasons, examined = {**used.unmeasurable, **reasons}, len(few)
        inventory = used.of(everything)
        calls, macs = count_calls(everything, data), count_macs(everything, data)
    inventory = inventory.without(reasons)
    contents = file_contents(inventory, _FORMAT, given)
    cost, measured = None, None
    if data is not None:
        clock.stage("time a measurement")
        count = len(data) if samples is None else samples
        measured = max(1, count - max(1, round(held_out * count)))
        cost = measurement_cost(
            *(inventory, data, options),
            images=measured,
            loss=loss,
            probes=probes,
            memory=memory,
            progress=clock.progress,
        )
    found = []
    for granularity in granularities:
        tied = None
        if granularity == COUPLED:
            tied = _coupled((everything, inventory), data, macs, clock)
        found.append(_granularity_cost(inventory, granularity, options, tied, cost, memory))
    clock.finish()
    return NetworkInspection(
        numbers=contents.numbers,
        weights=contents.compressed,
        bytes=contents.reference_bytes,
        options=tuple(map(str, options)),
        samples=measured,
        probes=None if cost is None else cost.probes,
        examined=examined,
        layers=tuple(
            LayerInspection(
                name=layer.name,
                kind=type(layer.module).__name__,
                shape=tuple(layer.weight.shape),
                channels=layer.channels,
                weights=layer.weight.numel(),
                share=layer.weight.numel() / contents.numbers,
                calls=calls.get(layer.name),
                macs=macs.get(layer.name),
                measured=_way(layer) if examined else None,
            )
            for layer in inventory.layers
        ),
        left_alone=tuple(vars(entry) for entry in contents.kept),
        granularities=tuple(found),
        warnings=tuple(clock.warnings),
    )


def _way(layer: Layer) -> str:
    """Return how the effect of a layer is measured."""
    return "operators" if layer.by_operator else "calls" if layer.by_calls else "parameter"


def _coupled(
    inventories: tuple[Inventory, Inventory], data: Data | None, macs: Mapping[str, int], clock: StageClock
) -> NDArray[np.intp]:
    """Return the decision of every channel where all layers that make a channel share its option."""
    everything, inventory = inventories
    if data is None:
        raise OptionError(f"the granularity {COUPLED} is found by running the network: give samples")
    clock.stage("trace")
    groups = groups_of(everything.model, data)
    kept = {layer.name for layer in inventory.layers}
    channels = find_removable_channels(everything, kept, groups, macs, data, clock)
    return channels.tied(tuple(layer_shape(layer, 1) for layer in inventory.layers), None)


def _granularity_cost(
    inventory: Inventory,
    granularity: str,
    options: Sequence[Option],
    tied: NDArray[np.intp] | None,
    cost: MeasurementCost | None,
    memory: float,
) -> GranularityCost:
    """Return what a granularity would take."""
    shapes = [layer_shape(layer, layer.group(granularity)) for layer in inventory.layers]
    units, kinds = sum(shape.units for shape in shapes), len(options)
    decisions = units if tied is None else int(tied.max()) + 1
    variables = decisions * kinds
    form, needed, seconds = None, None, None
    if cost is not None:
        size = cost.size(units * kinds)
        form = size.form(memory, bytes_of_pairs(variables) > memory * GIB)
        smaller = min(size.as_matrix, size.as_factor)
        needed = smaller if form is None else size.as_matrix if form == MATRIX else size.as_factor
        seconds = None if form is None else cost.seconds(units * kinds, form)
    return GranularityCost(
        granularity=granularity,
        units=units,
        decisions=decisions,
        variables=variables,
        interactions=kinds**2 * decisions * (decisions - 1) // 2,
        pairs_bytes=bytes_of_pairs(variables),
        form=form,
        measurement_bytes=needed,
        seconds=seconds,
    )
