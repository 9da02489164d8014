"""The arrays of a task against what the weights themselves say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from qubo_dnn.compression.candidates import make_candidates
from qubo_dnn.compression.layers import find_layers
from qubo_dnn.compression.measure import layer_changes, unmeasured_task
from qubo_dnn.compression.options import bit_widths
from qubo_dnn.compression.plan import LayerPlan, Plan
from qubo_dnn.compression.quantize import dequantize, quantize
from qubo_dnn.compression.rewrite import apply_plan_, bits_per_weight
from qubo_dnn.errors import OptionError

OPTIONS = bit_widths(0, 2, 5)


def test_changes_are_quantized_weights_minus_weights(tiny: Any) -> None:
    inventory = find_layers(tiny.network())
    for entry, layer in zip(
        layer_changes(inventory, "group:3", make_candidates(inventory, OPTIONS)), inventory.layers, strict=True
    ):
        assert entry.layer is layer
        assert (entry.group, entry.units) == (3, -(-layer.channels // 3))
        for k, option in enumerate(OPTIONS):
            assert torch.equal(entry.changes[k], dequantize(quantize(layer.weight, option)) - layer.weight.detach())
        assert torch.equal(entry.changes[0], -layer.weight.detach())


def test_changes_of_a_rewritten_network_lead_from_its_weights_to_candidates_of_the_original_ones(tiny: Any) -> None:
    model = tiny.network()
    candidates = make_candidates(find_layers(model), OPTIONS)
    plan = Plan({"0": LayerPlan(4, bit_widths(5)), "5": LayerPlan(3, bit_widths(2))})
    apply_plan_(model, plan, candidates)
    conv, linear = layer_changes(find_layers(model), "channel", candidates)
    assert conv.changes[2].eq(0).all()
    assert linear.changes[1].eq(0).all()
    assert torch.equal(conv.changes[1], candidates.weights("0")[1] - candidates.weights("0")[2])


def test_task_holds_sizes_errors_and_magnitudes_of_units(tiny: Any) -> None:
    model = tiny.network()
    inventory = find_layers(model)
    task = unmeasured_task(layer_changes(inventory, "group:3", make_candidates(inventory, OPTIONS)), OPTIONS, 1000.0)
    assert [(layer.name, layer.channels, layer.weights_per_channel, layer.group) for layer in task.layers] == [
        ("0", 4, 18, 3),
        ("5", 3, 16, 3),
    ]
    assert (task.options, task.limit, task.sensitivity) == (OPTIONS, 1000.0, None)
    for u, (layer, channels) in enumerate([(0, slice(3)), (0, slice(3, 4)), (5, slice(3))]):
        weight = model[layer].weight.detach()
        assert task.mean_magnitude[u] == pytest.approx(float(weight[channels].double().abs().mean()))
        for k, option in enumerate(OPTIONS):
            change = (dequantize(quantize(weight, option)) - weight)[channels]
            assert task.squared_error[u, k] == pytest.approx(float(change.double().square().sum()))


@pytest.mark.parametrize("granularity", ["channel", "group:2", "layer"])
def test_costs_bound_what_the_file_takes(tiny: Any, granularity: str) -> None:
    """From below by the padding of each layer, which the task counts at its worst."""
    model = tiny.network()
    inventory = find_layers(model)
    candidates = make_candidates(inventory, OPTIONS)
    task = unmeasured_task(layer_changes(inventory, granularity, candidates), OPTIONS, 1e9)
    rng = np.random.default_rng(0)
    for _ in range(20):
        plan = task.plan(rng.integers(0, len(OPTIONS), len(task.cost)))
        rewritten = tiny.network()
        apply_plan_(rewritten, plan, candidates)
        taken = round(bits_per_weight(rewritten, plan) * task.weights)
        assert task.stored_bits(plan) - 7 * len(task.layers) <= taken <= task.stored_bits(plan)


def test_an_unknown_granularity_is_refused(tiny: Any) -> None:
    inventory = find_layers(tiny.network())
    with pytest.raises(OptionError, match="granularity 'row'"):
        layer_changes(inventory, "row", make_candidates(inventory, OPTIONS))
