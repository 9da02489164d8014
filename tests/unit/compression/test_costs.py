from qubo_dnn.compression.costs import layer_bytes, stored_bits
from qubo_dnn.compression.options import Option, bit_widths
from qubo_dnn.compression.plan import LayerPlan


def test_a_unit_costs_its_width_code_its_scales_and_its_weights() -> None:
    assert stored_bits(weights_per_channel=9, channels=2, option=Option(3)) == 4 + 2 * (8 + 4 + 27)


def test_a_pruned_unit_costs_its_width_code() -> None:
    assert stored_bits(weights_per_channel=9, channels=2, option=Option(0)) == 4


def test_a_layer_adds_its_base_and_padding() -> None:
    # Units of 2, 2 and 1 channels with 5 weights each: 32 + (4 + 2 * 22) + 4 + (4 + 52) = 140 bits.
    assert layer_bytes(LayerPlan(2, bit_widths(2, 0, 8)), channels=5, weights_per_channel=5) == 18
