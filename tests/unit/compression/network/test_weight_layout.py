import pytest
import torch
from torch import nn

from qubo_dnn.compression.network.weight_layout import Layout


@pytest.mark.parametrize(
    ("layout", "channels", "weights"),
    [
        (Layout((4, 3, 2, 2)), 4, 12),
        (Layout((5, 7)), 5, 7),
        (Layout((6, 4, 3), transposed=1), 4, 18),
        (Layout((6, 4, 3, 5), transposed=2), 8, 45),
    ],
)
def test_rows_and_weight_undo_each_other(layout: Layout, channels: int, weights: int) -> None:
    assert (layout.channels, layout.weights_per_channel) == (channels, weights)
    weight = torch.arange(2.0 * channels * weights).reshape(2, *layout.shape)
    rows = layout.rows(weight)
    assert rows.shape == (2, channels, weights)
    assert torch.equal(layout.weight(rows), weight)
    assert torch.equal(layout.rows(weight[1]), rows[1])


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_row_of_a_transposed_convolution_holds_what_its_output_channel_reads(groups: int) -> None:
    module = nn.ConvTranspose1d(8, 4, 3, groups=groups, bias=False)
    layout = Layout(tuple(module.weight.shape), groups)
    inputs = torch.randn(2, 8, 5, generator=torch.Generator().manual_seed(0))
    for channel in range(4):
        rows = torch.zeros(4, layout.weights_per_channel)
        rows[channel] = 1.0
        with torch.no_grad():
            module.weight.copy_(layout.weight(rows))
            outputs = module(inputs)
        assert outputs.flatten(2).any(2).any(0).tolist() == [other == channel for other in range(4)]
