"""Candidates are what `quantize` makes, and a plan assembles its network from them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from qubo_dnn.compression.candidates import make_candidates
from qubo_dnn.compression.layers import find_layers
from qubo_dnn.compression.options import bit_widths, parse_options
from qubo_dnn.compression.plan import LayerPlan, Plan
from qubo_dnn.compression.quantize import dequantize, quantize
from qubo_dnn.compression.rewrite import apply_plan_
from qubo_dnn.errors import ModelError

OPTIONS = parse_options("0,2,4@50%,4")


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.ConvTranspose2d(5, 4, 2), nn.Flatten(), nn.Linear(4, 3))


def test_weights_are_those_of_every_option_in_the_shape_of_the_layer() -> None:
    inventory = find_layers(network())
    candidates = make_candidates(inventory, OPTIONS)
    for layer in inventory.layers:
        weights = candidates.weights(layer.name)
        assert weights.shape == (4, *layer.weight.shape)
        for k, option in enumerate(OPTIONS):
            assert torch.equal(weights[k], dequantize(quantize(layer.weight, option, layout=layer.layout)))


def test_a_plan_is_assembled_from_the_candidates_whatever_the_weights_are_now() -> None:
    model = network()
    candidates = make_candidates(find_layers(model), OPTIONS)
    plan = Plan({"0": LayerPlan(2, parse_options("4,0,4@50%")), "1": LayerPlan(1, parse_options("2,4,4@50%,0"))})
    fresh = network()
    expected = apply_plan_(fresh, plan)
    with torch.no_grad():
        model[0].weight.zero_()
    assembled = apply_plan_(model, plan, candidates)
    for name in ("0", "1"):
        for field in ("bits", "scale_codes", "offset_codes", "kept", "codes"):
            assert torch.equal(getattr(assembled[name], field), getattr(expected[name], field))
        assert torch.equal(model.get_parameter(f"{name}.weight"), fresh.get_parameter(f"{name}.weight"))


def test_progress_counts_layers() -> None:
    heard: list[tuple[int, int]] = []
    make_candidates(find_layers(network()), OPTIONS, progress=lambda done, total: heard.append((done, total)))
    assert heard == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan({"2": LayerPlan(3, bit_widths(4))}), "no candidates of the layer '2'"),
        (Plan({"0": LayerPlan(5, bit_widths(3))}), "no candidates of the layer '0' at the option 3"),
    ],
)
def test_what_there_are_no_candidates_of_is_refused(plan: Plan, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make_candidates(find_layers(network()), OPTIONS).assemble(plan)


def test_weights_that_are_not_finite_are_named() -> None:
    model = network()
    with torch.no_grad():
        model[3].weight[0, 0] = torch.nan
    with pytest.raises(ModelError, match="3: a weight is not finite"):
        make_candidates(find_layers(model), OPTIONS)
