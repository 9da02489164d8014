import pytest
import torch
from torch import nn

from qubo_dnn.compression.quantization.quantize import dequantize, quantize
from qubo_dnn.compression.rewriting.apply_plan import apply_plan_, bits_per_weight, pruned_fraction
from qubo_dnn.compression.task.options import Option, bit_widths, parse_options
from qubo_dnn.compression.task.plan import LayerPlan, Plan
from qubo_dnn.compression.task.stored_bits import LAYER_OVERHEAD_BITS, layer_bytes, stored_bits
from qubo_dnn.errors import ModelError


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(5, 4), nn.Embedding(3, 2, max_norm=1.0)
    )


PLAN = Plan({"0": LayerPlan(2, bit_widths(3, 0, 8)), "3": LayerPlan(4, bit_widths(4))})


def test_planned_weights_are_replaced_and_nothing_else() -> None:
    model, original = network(), network().state_dict()
    quantized = apply_plan_(model, PLAN)
    assert list(quantized) == ["0", "3"]
    state = model.state_dict()
    assert torch.equal(state["0.weight"], dequantize(quantize(original["0.weight"], bit_widths(3, 3, 0, 0, 8))))
    assert torch.equal(state["3.weight"], dequantize(quantize(original["3.weight"], Option(4))))
    assert not torch.equal(state["0.weight"], original["0.weight"])
    for key in original.keys() - {"0.weight", "3.weight"}:
        assert torch.equal(state[key], original[key]), key
    for name, codes in quantized.items():
        assert torch.equal(dequantize(codes), state[f"{name}.weight"])


def test_the_parameter_object_stays_the_same() -> None:
    model = network()
    before = model[0].weight
    apply_plan_(model, PLAN)
    assert model[0].weight is before
    assert before.requires_grad


def test_half_precision_weights_keep_their_type() -> None:
    model = network().to(torch.bfloat16)
    quantized = apply_plan_(model, PLAN)
    weight = model.get_parameter("0.weight")
    assert weight.dtype == torch.bfloat16
    assert torch.equal(weight, dequantize(quantized["0"]).to(torch.bfloat16))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({"stem": LayerPlan(1, bit_widths(4))}, "'stem' cannot be compressed: not in the model"),
        ({"4": LayerPlan(1, bit_widths(4, 4, 4))}, "'4' cannot be compressed: its rows are changed"),
        ({"3": LayerPlan(1, bit_widths(4, 4))}, "2 units of 1 channels for the layer '3', whose 4 channels make 4"),
        ({"0": LayerPlan(2, bit_widths(4, 4, 4, 4))}, "whose 5 channels make 3"),
    ],
)
def test_plans_that_do_not_fit_are_refused(layers: dict[str, LayerPlan], message: str) -> None:
    for act in (apply_plan_, pruned_fraction, bits_per_weight):
        with pytest.raises(ModelError, match=message):
            act(network(), Plan(layers))


def test_a_weight_that_is_not_finite_leaves_the_model_unchanged() -> None:
    model = network()
    with torch.no_grad():
        model.get_parameter("3.weight")[0, 0] = torch.nan
    before = model.get_parameter("0.weight").clone()
    with pytest.raises(ModelError, match="3: a weight is not finite"):
        apply_plan_(model, PLAN)
    assert torch.equal(model.get_parameter("0.weight"), before)


def test_pruned_fraction_counts_the_weights_of_pruned_channels_and_under_masks() -> None:
    assert pruned_fraction(network(), PLAN) == 2 * 27 / (5 * 27 + 4 * 5)
    masked = Plan({"0": LayerPlan(5, parse_options("3@50%")), "3": LayerPlan(1, parse_options("0,4,4@20%,4@90%"))})
    pruned = 5 * 13 + 5 + 1 + 4
    assert sum(int((~codes.kept).sum()) for codes in apply_plan_(network(), masked).values()) == pruned
    assert pruned_fraction(network(), masked) == pruned / (5 * 27 + 4 * 5)


def test_bits_per_weight_counts_whole_bytes_and_unplanned_layers_as_float32() -> None:
    bits = 8 * layer_bytes(PLAN.layers["0"], 5, 27)
    assert bits_per_weight(network(), Plan({"0": PLAN.layers["0"]})) == (bits + 32 * 20) / 155


def test_layer_overhead_is_an_upper_bound_on_what_is_not_in_the_units() -> None:
    for channels in range(1, 9):
        units = channels * stored_bits(3, 1, Option(3))
        spare = units + LAYER_OVERHEAD_BITS - 8 * layer_bytes(LayerPlan(1, bit_widths(*[3] * channels)), channels, 3)
        assert 0 <= spare <= 7
