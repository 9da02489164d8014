"""Codes without some channels are those of the weight without them."""

from __future__ import annotations

import pytest
import torch

from qubo_dnn.compression.network.weight_layout import Layout
from qubo_dnn.compression.quantization.quantize import dequantize, quantize
from qubo_dnn.compression.rewriting.smaller_codes import smaller_codes
from qubo_dnn.compression.task.options import parse_options


@pytest.mark.parametrize(
    ("shape", "transposed", "inputs"),
    [((5, 4), 0, [0, 3]), ((5, 4, 3, 3), 0, [1]), ((4, 5, 2), 1, [1, 2]), ((5, 1, 3, 3), 0, [])],
    ids=["linear", "convolution", "transposed", "depthwise"],
)
def test_the_others_keep_their_values(shape: tuple[int, ...], transposed: int, inputs: list[int]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    whole = quantize(weight, parse_options("0,32,4,2,32@50%"), layout=Layout(shape, transposed))
    part = smaller_codes(whole, outputs=[0, 2], inputs=inputs)
    rows, columns = [1, 3, 4], [place for place in range(shape[0 if transposed else 1]) if place not in inputs]
    expected = dequantize(whole)
    expected = expected[columns][:, rows] if transposed else expected[rows][:, columns]
    assert torch.equal(dequantize(part), expected)
    assert part.bits.tolist() == [32, 2, 32]
    assert part.layout.shape == tuple(expected.shape)
