from qubo_dnn.compression.task.options import Option, bit_widths
from qubo_dnn.compression.task.plan import LayerPlan
from qubo_dnn.compression.task.stored_bits import layer_bytes, stored_bits


def test_a_unit_costs_its_width_code_its_scales_and_its_weights() -> None:
    assert stored_bits(weights_per_channel=9, channels=2, option=Option(3)) == 5 + 2 * (8 + 4 + 27)


def test_a_pruned_unit_costs_its_width_code() -> None:
    assert stored_bits(weights_per_channel=9, channels=2, option=Option(0)) == 5


def test_a_masked_unit_costs_a_mask_and_the_weights_it_keeps() -> None:
    assert stored_bits(weights_per_channel=10, channels=2, option=Option(3, 0.7)) == 5 + 2 * (8 + 4 + 10 + 3 * 3)


def test_a_sparsity_that_zeroes_nothing_costs_no_mask() -> None:
    assert stored_bits(weights_per_channel=3, channels=1, option=Option(3, 0.1)) == 5 + 8 + 4 + 9


def test_a_layer_adds_its_base_and_padding() -> None:
    # Units of 2, 2 and 1 channels with 5 weights each: 32 + (5 + 2 * 22) + 5 + (5 + 52) = 143 bits.
    assert layer_bytes(LayerPlan(2, bit_widths(2, 0, 8)), channels=5, weights_per_channel=5) == 18
