import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qubo_dnn.compression.costs import layer_bytes
from qubo_dnn.compression.options import Option, bit_widths
from qubo_dnn.compression.packing import pack, unpack
from qubo_dnn.compression.plan import LayerPlan
from qubo_dnn.compression.quantize import Quantized, dequantize, quantize
from qubo_dnn.errors import FileFormatError

SOURCE = "net.safetensors: 'conv.weight'"


@st.composite
def layers(draw: st.DrawFn) -> tuple[LayerPlan, Quantized]:
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple))
    group = draw(st.integers(1, 7))
    units = -(-shape[0] // group)
    plan = LayerPlan(group, bit_widths(*draw(st.lists(st.integers(0, 8), min_size=units, max_size=units))))
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 1000))))
    return plan, quantize(weight, plan.channel_options(shape[0]))


@given(layers())
def test_unpacking_gives_back_what_was_packed_and_the_size_is_the_stated_cost(
    layer: tuple[LayerPlan, Quantized],
) -> None:
    plan, quantized = layer
    payload = pack(quantized, plan.group)
    assert payload.dtype == np.uint8
    assert payload.size == layer_bytes(plan, *quantized.codes.shape)
    again = unpack(payload, quantized.shape, plan.group, SOURCE)
    assert (again.shape, again.base) == (quantized.shape, quantized.base)
    for field in ("bits", "scale_codes", "offset_codes", "codes"):
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
        unpack(cut, quantized.shape, plan.group, SOURCE)
    with pytest.raises(FileFormatError, match="1 bytes too many"):
        unpack(np.append(payload, np.uint8(0)), quantized.shape, plan.group, SOURCE)


def test_layout_is_the_documented_one() -> None:
    tensors = [torch.tensor(values, dtype=torch.uint8) for values in ([2, 0], [0xAB, 0], [0x3, 0])]
    quantized = Quantized((2, 3), 1.0, *tensors, codes=torch.tensor([[-2, 1, 0], [0, 0, 0]], dtype=torch.int8))
    # base 1.0 little-endian | widths 2, 0 | scale AB | offset 3 | codes 0, 3, 2 in two bits | six bits of padding
    expected = bytes.fromhex("0000803f20ab3380")
    assert pack(quantized, 1).tobytes() == expected


@pytest.mark.parametrize(
    ("byte", "value", "message"),
    [
        (3, 0xFF, "base"),  # a negative NaN
        (3, 0xBF, "base"),  # -1
        (4, 0x90, "bit width 9"),
        (6, 0xF3, "unknown offset code 15"),
    ],
)
def test_codes_that_mean_nothing_are_refused(byte: int, value: int, message: str) -> None:
    payload = pack(quantize(torch.ones(2, 3), bit_widths(2, 0)), 1)
    payload[byte] = value
    with pytest.raises(FileFormatError, match=message):
        unpack(payload, (2, 3), 1, SOURCE)


def test_a_subnormal_base_survives() -> None:
    quantized = dataclasses.replace(quantize(torch.ones(1, 1), Option(1)), base=float(np.float32(1e-42)))
    assert unpack(pack(quantized, 1), (1, 1), 1, SOURCE).base == quantized.base
