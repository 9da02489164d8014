import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qubo_dnn.compression.network.weight_layout import Layout
from qubo_dnn.compression.quantization.bit_packing import pack, unpack
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize, quantize
from qubo_dnn.compression.task.options import Option, bit_widths
from qubo_dnn.compression.task.plan import LayerPlan
from qubo_dnn.compression.task.stored_bits import layer_bytes
from qubo_dnn.errors import FileFormatError

SOURCE = "net.safetensors: 'conv.weight'"


@st.composite
def layers(draw: st.DrawFn) -> tuple[LayerPlan, Quantized]:
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple))
    transposed = draw(st.sampled_from([0, 1, shape[0]])) if len(shape) > 1 else 0
    layout = Layout(shape, transposed)
    group = draw(st.integers(1, 7))
    units = -(-layout.channels // group)
    widths, sparsities = st.sampled_from([*range(9), 32]), st.sampled_from([0.0, 0.0, 0.3, 0.5, 0.9])
    options = st.builds(lambda bits, sparsity: Option(bits, sparsity if bits else 0.0), widths, sparsities)
    plan = LayerPlan(group, tuple(draw(st.lists(options, min_size=units, max_size=units))))
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 1000))))
    return plan, quantize(weight, plan.channel_options(layout.channels), layout=layout)


@given(layers())
def test_unpacking_gives_back_what_was_packed_and_the_size_is_the_stated_cost(
    layer: tuple[LayerPlan, Quantized],
) -> None:
    plan, quantized = layer
    payload = pack(quantized, plan.group)
    assert payload.dtype == np.uint8
    assert payload.size == layer_bytes(plan, *quantized.codes.shape)
    again = unpack(payload, quantized.layout, plan.group, SOURCE)
    assert (again.layout, again.base) == (quantized.layout, quantized.base)
    for field in ("bits", "scale_codes", "offset_codes", "kept", "codes", "floats"):
        left, right = getattr(again, field), getattr(quantized, field)
        assert left.dtype == right.dtype
        assert torch.equal(left, right)
    assert torch.equal(dequantize(again), dequantize(quantized))


@given(layers(), st.data())
def test_truncated_and_extended_bytes_are_refused(layer: tuple[LayerPlan, Quantized], data: st.DataObject) -> None:
    plan, quantized = layer
    payload = pack(quantized, plan.group)
    cut = payload[: data.draw(st.integers(0, payload.size - 1))]
    with pytest.raises(FileFormatError, match=r"net\.safetensors: 'conv\.weight': the data end too early"):
        unpack(cut, quantized.layout, plan.group, SOURCE)
    with pytest.raises(FileFormatError, match="1 bytes too many"):
        unpack(np.append(payload, np.uint8(0)), quantized.layout, plan.group, SOURCE)


def test_layout_is_the_documented_one() -> None:
    widths, scales, offsets = (
        torch.tensor(values, dtype=torch.uint8) for values in ([2, 0, 4, 32], [0xAB, 0, 0xCD, 0], [0x3, 0, 0x5, 0])
    )
    kept = torch.tensor([[1, 1, 1], [0, 0, 0], [1, 0, 1], [0, 0, 1]], dtype=torch.bool)
    codes = torch.tensor([[-2, 1, 0], [0, 0, 0], [-8, 0, 7], [0, 0, 0]], dtype=torch.int8)
    floats = torch.tensor([[0.0, 0.0, 1.0]])
    quantized = Quantized(Layout((4, 3)), 1.0, widths, scales, offsets, kept, codes, floats)
    expected = "00000000 00000000 10000000 00111111"  # base 1.0, little-endian
    expected += "0010 0  0000 0  0100 1  1001 1"  # widths 2, 0, 4 and float32, the last two masked
    expected += "10101011 11001101  0011 0101"  # scales AB and CD, offsets 3 and 5
    expected += "00 11 10"  # -2, 1, 0 in two bits
    expected += "101  0000 1111"  # a mask, and -8 and 7 in four bits
    expected += "001  00000000 00000000 10000000 00111111"  # a mask, and 1.0
    bits = "".join(map(str, np.unpackbits(pack(quantized, 1)).tolist()))
    assert bits.rstrip("0") == expected.replace(" ", "").rstrip("0")
    assert len(bits) == -(-len(expected.replace(" ", "")) // 8) * 8


@pytest.mark.parametrize(
    ("byte", "value", "message"),
    [
        (3, 0xFF, "base"),  # a negative NaN
        (3, 0xBF, "base"),  # -1
        (4, 0xA0, "bit width 10"),
        (6, 0xFF, "unknown offset code 15"),
    ],
)
def test_codes_that_mean_nothing_are_refused(byte: int, value: int, message: str) -> None:
    payload = pack(quantize(torch.ones(2, 3), bit_widths(2, 0)), 1)
    payload[byte] = value
    with pytest.raises(FileFormatError, match=message):
        unpack(payload, Layout((2, 3)), 1, SOURCE)


def test_a_subnormal_base_survives() -> None:
    quantized = dataclasses.replace(quantize(torch.ones(1, 1), Option(1)), base=float(np.float32(1e-42)))
    assert unpack(pack(quantized, 1), Layout((1, 1)), 1, SOURCE).base == quantized.base


def test_channels_of_32_bits_stay_as_they_are() -> None:
    """Also beside others, whose grids they do not change, and with masks."""
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(2))
    quantized = quantize(weight, [Option(32), Option(3), Option(32, 0.5)])
    restored = dequantize(unpack(pack(quantized, 1), Layout((3, 4)), 1, SOURCE))
    assert torch.equal(restored[0], weight[0])
    assert torch.equal(restored[1], dequantize(quantize(weight, Option(3)))[1])
    largest = weight[2].abs().topk(2).indices
    assert torch.equal(restored[2][largest], weight[2][largest])
    assert restored[2].count_nonzero() == 2


def test_a_float_that_is_not_finite_is_refused() -> None:
    payload = pack(quantize(torch.ones(1, 1), Option(32)), 1)
    payload[4:9] = 0xFF
    payload[4] = 0x90  # float32, no mask, and ones
    with pytest.raises(FileFormatError, match="a weight is not finite"):
        unpack(payload, Layout((1, 1)), 1, SOURCE)
