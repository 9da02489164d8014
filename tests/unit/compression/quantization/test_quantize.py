import math

import pytest
import torch
from torch import Tensor

from qubo_dnn.compression.network.weight_layout import Layout
from qubo_dnn.compression.quantization.grid import SCALES, limits, offsets
from qubo_dnn.compression.quantization.quantize import dequantize, quantize
from qubo_dnn.compression.task.options import Option, bit_widths, parse_options
from qubo_dnn.errors import ModelError, OptionError


def conv_weight(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 0.1


def error(weight: Tensor, quantized: Tensor) -> Tensor:
    """Squared error of every channel."""
    return (weight - quantized).flatten(1).double().square().sum(1)


def max_abs(weight: Tensor, bits: int) -> Tensor:
    """The usual symmetric quantizer, one scale per channel from its largest weight."""
    top: int = 2 ** (bits - 1) - 1
    rows = weight.flatten(1)
    scale = rows.abs().amax(1, keepdim=True) / top
    return ((rows / scale).round().clamp(-top, top) * scale).reshape(weight.shape)


@pytest.mark.parametrize("bits", range(2, 7))
def test_error_is_below_the_max_abs_quantizer_in_every_channel(bits: int) -> None:
    weight = conv_weight(12, 16, 3, 3)
    assert (error(weight, dequantize(quantize(weight, Option(bits)))) < error(weight, max_abs(weight, bits))).all()


def test_another_bit_divides_the_error_by_more_than_two() -> None:
    weight = conv_weight(8, 16, 3, 3)
    quantized = torch.stack([dequantize(quantize(weight, option)) for option in bit_widths(*range(9))])
    errors = error(weight.flatten()[None], quantized.flatten(1))
    assert errors[0] == weight.double().square().sum()
    assert (errors[:-1] > 2 * errors[1:]).all()


def test_values_are_scale_times_integer_plus_offset() -> None:
    weight = conv_weight(6, 4, 3, 3)
    quantized = quantize(weight, bit_widths(0, 1, 2, 3, 5, 8))
    values = dequantize(quantized)
    assert values.dtype == torch.float32
    assert values[0].eq(0).all()
    for channel, bits in enumerate(quantized.bits.tolist()[1:], start=1):
        low, high = limits(bits)
        codes = quantized.codes[channel]
        assert low <= codes.min() <= codes.max() <= high
        scale = torch.tensor(quantized.base) * SCALES[quantized.scale_codes[channel]].item()
        offset = offsets(bits)[quantized.offset_codes[channel]].item()
        assert torch.equal(values[channel].flatten(), (codes.float() + offset) * scale)


@pytest.mark.parametrize("text", ["4@50%", "2@90%", "8@1%", "3@99.9%"])
def test_a_sparsity_keeps_the_largest_weights_and_fits_their_grid_to_them_alone(text: str) -> None:
    weight, option = conv_weight(5, 7, 3), Option.parse(text)
    quantized = quantize(weight, option)
    values, count = dequantize(quantized).flatten(1), option.kept(21)
    assert quantized.made_by([option] * 5)
    for channel, row in enumerate(weight.flatten(1)):
        largest = row.abs().topk(count).indices
        assert set(quantized.kept[channel].nonzero().flatten().tolist()) == set(largest.tolist())
        assert values[channel][~quantized.kept[channel]].eq(0).all()
        assert quantized.codes[channel][~quantized.kept[channel]].eq(0).all()
        # The channel alone, without the zeros: the base, which all share, has to be the same.
        anchor = weight.abs().max().expand(count)
        alone = dequantize(quantize(torch.stack([row[quantized.kept[channel]], anchor]), Option(option.bits)))
        assert torch.equal(values[channel][quantized.kept[channel]], alone[0])


def test_of_equal_weights_the_first_are_kept() -> None:
    assert quantize(torch.ones(2, 4), Option(3, 0.5)).kept.tolist() == [[True, True, False, False]] * 2


def test_a_sparsity_that_zeroes_nothing_changes_nothing() -> None:
    weight = conv_weight(3, 9)
    sparse, plain = quantize(weight, Option(4, 0.01)), quantize(weight, Option(4))
    assert sparse.kept.all()
    assert torch.equal(dequantize(sparse), dequantize(plain))


def test_channels_of_a_transposed_convolution_are_quantized_like_those_of_a_convolution() -> None:
    rows, layout = conv_weight(6, 4 * 3), Layout((8, 3, 3), transposed=2)
    weight = layout.weight(rows)
    assert weight.shape == (8, 3, 3)
    quantized = quantize(weight, Option(3), layout=layout)
    assert dequantize(quantized).shape == weight.shape
    assert torch.equal(layout.rows(dequantize(quantized)), dequantize(quantize(rows, Option(3))))


def test_options_agree_bit_for_bit_with_mixed_widths() -> None:
    weight, widths = conv_weight(9, 5, 3), parse_options("0,1,2@50%,3,4,5@20%,6,7@90%,8")
    options = torch.stack([dequantize(quantize(weight, option)) for option in widths])
    assert options.shape == (9, 9, 5, 3)
    mixed = dequantize(quantize(weight, widths))
    assert torch.equal(mixed, options[range(9), range(9)])


def test_result_does_not_depend_on_the_number_of_threads() -> None:
    weight = conv_weight(300, 1000)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = dequantize(quantize(weight, Option(3)))
        torch.set_num_threads(3)
        assert torch.equal(dequantize(quantize(weight, Option(3))), alone)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("bits", range(1, 9))
def test_zero_and_constant_channels(bits: int) -> None:
    weight = torch.stack([torch.zeros(10), torch.full((10,), 0.3), torch.full((10,), -0.02), torch.ones(10)])
    values = dequantize(quantize(weight, Option(bits)))
    assert values[0].eq(0).all()
    assert torch.allclose(values, weight, rtol=0.023, atol=0)  # half a step of 2^(-1/16)


def test_a_layer_of_zeros_stays_zero() -> None:
    quantized = quantize(torch.zeros(2, 3), Option(2))
    assert quantized.base == 0.0
    assert dequantize(quantized).eq(0).all()


def test_one_weight_per_channel() -> None:
    weight = conv_weight(5, 1, 1, 1)
    values = dequantize(quantize(weight, Option(8)))
    assert values.shape == (5, 1, 1, 1)
    assert torch.allclose(values, weight, rtol=0.01)


@pytest.mark.parametrize("magnitude", [1e-42, 1e-30, 1e37])
def test_extreme_magnitudes_are_quantized_relative_to_their_size(magnitude: float) -> None:
    weight = conv_weight(4, 50).double() * magnitude / 0.1
    values = dequantize(quantize(weight, Option(4))).double()
    limit = 0.05 if magnitude > 1e-40 else 0.2  # subnormal float32 numbers have few digits themselves
    assert (error(weight / magnitude, values / magnitude) < limit * (weight / magnitude).square().sum(1)).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_are_quantized_as_float32(dtype: torch.dtype) -> None:
    weight = conv_weight(4, 30).to(dtype)
    values = dequantize(quantize(weight, Option(4)))
    assert values.dtype == torch.float32
    assert torch.equal(values, dequantize(quantize(weight.float(), Option(4))))


def test_weights_that_require_gradients_and_are_not_contiguous() -> None:
    weight = torch.nn.Parameter(conv_weight(6, 20).t())
    assert torch.equal(
        dequantize(quantize(weight, Option(3))), dequantize(quantize(weight.detach().contiguous(), Option(3)))
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_refused(bad: float) -> None:
    weight = conv_weight(2, 3)
    weight[1, 1] = bad
    with pytest.raises(ModelError, match=r"stem\.conv: a weight is not finite"):
        quantize(weight, Option(4), "stem.conv")


def test_weights_beyond_float32_are_refused() -> None:
    with pytest.raises(ModelError, match="head: a weight is too large"):
        quantize(torch.full((2, 2), 1e39, dtype=torch.float64), Option(4), "head")


def test_another_number_of_options_than_channels_is_refused() -> None:
    with pytest.raises(OptionError, match="1 options for 2 output channels"):
        quantize(conv_weight(2, 3), bit_widths(4))
