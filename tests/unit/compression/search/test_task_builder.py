"""The arrays of a task against what the weights themselves say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.quantization.quantize import dequantize, quantize
from qubo_dnn.compression.rewriting.apply_plan import apply_plan_, bits_per_weight
from qubo_dnn.compression.search.task_builder import layer_changes, measured_task, unmeasured_task
from qubo_dnn.compression.task.layer_rules import Rules
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.plan import LayerPlan, Plan
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.compression.task.task import CompressionTask, LayerShape
from qubo_dnn.errors import OptionError
from tests.unit.compression.conftest import Tiny

OPTIONS = bit_widths(0, 2, 5)


def test_changes_are_quantized_weights_minus_weights(tiny: Tiny) -> None:
    inventory = find_layers(tiny.network())
    for entry, layer in zip(
        layer_changes(inventory, "group:3", make_candidates(inventory, OPTIONS)), inventory.layers, strict=True
    ):
        assert entry.layer is layer
        assert (entry.group, entry.units) == (3, -(-layer.channels // 3))
        for k, option in enumerate(OPTIONS):
            assert torch.equal(entry.changes[k], dequantize(quantize(layer.weight, option)) - layer.weight.detach())
        assert torch.equal(entry.changes[0], -layer.weight.detach())


def test_changes_of_a_rewritten_network_lead_from_its_weights_to_candidates_of_the_original_ones(tiny: Tiny) -> None:
    model = tiny.network()
    candidates = make_candidates(find_layers(model), OPTIONS)
    plan = Plan({"0": LayerPlan(4, bit_widths(5)), "5": LayerPlan(3, bit_widths(2))})
    apply_plan_(model, plan, candidates)
    conv, linear = layer_changes(find_layers(model), "channel", candidates)
    assert conv.changes[2].eq(0).all()
    assert linear.changes[1].eq(0).all()
    assert torch.equal(conv.changes[1], candidates.weights("0")[1] - candidates.weights("0")[2])


def test_task_holds_sizes_errors_and_magnitudes_of_units(tiny: Tiny) -> None:
    model = tiny.network()
    inventory = find_layers(model)
    task = unmeasured_task(layer_changes(inventory, "group:3", make_candidates(inventory, OPTIONS)), OPTIONS, 1000.0)
    assert [(layer.name, layer.channels, layer.weights_per_channel, layer.group) for layer in task.layers] == [
        ("0", 4, 18, 3),
        ("5", 3, 16, 3),
    ]
    assert (task.options, task.limit, task.sensitivity) == (OPTIONS, 1000.0, None)
    for u, (layer, channels) in enumerate([(0, slice(3)), (0, slice(3, 4)), (5, slice(3))]):
        weight = model.get_parameter(f"{layer}.weight").detach()
        assert task.mean_magnitude[u] == pytest.approx(float(weight[channels].double().abs().mean()))
        for k, option in enumerate(OPTIONS):
            change = (dequantize(quantize(weight, option)) - weight)[channels]
            assert task.squared_error[u, k] == pytest.approx(float(change.double().square().sum()))


@pytest.mark.parametrize("granularity", ["channel", "group:2", "layer"])
def test_costs_bound_what_the_file_takes(tiny: Tiny, granularity: str) -> None:
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


def test_an_unknown_granularity_is_refused(tiny: Tiny) -> None:
    inventory = find_layers(tiny.network())
    with pytest.raises(OptionError, match="granularity 'row'"):
        layer_changes(inventory, "row", make_candidates(inventory, OPTIONS))


class TestRules:
    def task(self, tiny: Tiny, granularity: str = "layer", **rest: Any) -> CompressionTask:
        inventory = find_layers(tiny.network())
        changes = layer_changes(inventory, granularity, make_candidates(inventory, OPTIONS))
        return unmeasured_task(changes, OPTIONS, 1e9, **rest)

    def test_without_them_everything_is_allowed_and_free(self, tiny: Tiny) -> None:
        task = self.task(tiny)
        assert (task.allowed, task.tied) == (None, None)
        assert self.task(tiny, rules=Rules(), common=OPTIONS).allowed is None

    def test_options_of_layers_and_of_all_others(self, tiny: Tiny) -> None:
        rules = Rules(options={"5": bit_widths(2, 5)})
        task = self.task(tiny, "group:2", rules=rules, common=bit_widths(5, 0))
        assert task.allowed is not None
        assert task.allowed.tolist() == [[True, False, True]] * 2 + [[False, True, True]] * 2

    def test_ties_add_costs_and_errors_up_and_average_magnitudes_over_channels(self, tiny: Tiny) -> None:
        free, tied = self.task(tiny), self.task(tiny, rules=Rules(ties=(("*",),)))
        assert tied.tied is not None
        assert tied.tied.tolist() == [0, 0]
        assert tied.cost.tolist() == [free.cost.sum(0).tolist()]
        assert tied.squared_error == pytest.approx(free.squared_error.sum(0)[None])
        # Of four channels and of three.
        assert tied.mean_magnitude == pytest.approx((4 * free.mean_magnitude[:1] + 3 * free.mean_magnitude[1:]) / 7)
        assert tied.overhead == free.overhead

    def test_tied_layers_may_take_what_both_may(self, tiny: Tiny) -> None:
        rules = Rules(options={"0": bit_widths(0, 2), "5": bit_widths(2, 5)}, ties=(("0", "5"),))
        task = self.task(tiny, rules=rules)
        assert task.allowed is not None
        assert task.allowed.tolist() == [[False, True, False]]
        with pytest.raises(OptionError, match="tied together have no option in common"):
            self.task(tiny, rules=Rules(options={"0": bit_widths(0), "5": bit_widths(5)}, ties=(("0", "5"),)))

    def test_skipped_layers_count_as_float32(self, tiny: Tiny) -> None:
        free = self.task(tiny)
        task = self.task(tiny, skipped=[LayerShape("a", 2, 10, 1), LayerShape("b", 1, 5, 1)])
        assert task.overhead == free.overhead + 32 * 25
        assert (task.skipped_weights, task.weights) == (25, free.weights)

    @pytest.mark.parametrize("tied", [False, True])
    def test_a_measurement_is_of_decisions(self, tiny: Tiny, tied: bool) -> None:
        inventory = find_layers(tiny.network())
        changes = layer_changes(inventory, "layer", make_candidates(inventory, OPTIONS))
        rules = Rules(ties=(("0", "5"),)) if tied else None
        rng = np.random.default_rng(0)
        factor = rng.normal(size=(6, 2)).astype(np.float32)
        measured = QuadraticLossModel(matrix=factor @ factor.T, linear=rng.normal(size=6), offset=0.5)
        nonlinearity = rng.uniform(1.0, 3.0, (2, 3))
        task = unmeasured_task(changes, OPTIONS, 1e9, rules=rules)
        done = measured_task(task, changes, measured, nonlinearity)
        assert done.sensitivity is not None
        if not tied:
            assert done.sensitivity is measured
            assert done.nonlinearity is not None
            assert np.array_equal(done.nonlinearity, nonlinearity)
            return
        assert done.nonlinearity == pytest.approx(nonlinearity.mean(0)[None])
        for k, both in enumerate(np.eye(3)):
            assert done.sensitivity.increase(both) == pytest.approx(measured.increase(np.tile(both, 2)), rel=1e-5)
            assert done.squared_error[0, k] == pytest.approx(task.squared_error[0, k])
