"""Which layers make channels that can be removed one by one, and who reads them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.removal.channel_groups import find_channel_groups
from qubo_dnn.compression.removal.readers import find_readers


class Block(nn.Module):
    """One layer inside a block, read twice; one that is added to the input of the block; one depthwise layer."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.norm = nn.Conv2d(4, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.one, self.other = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 3, padding=1)
        self.spread = nn.Conv2d(4, 5, 1)
        self.depthwise, self.project = nn.Conv2d(5, 5, 3, groups=5), nn.Conv2d(5, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.inside(x)).relu()
        out: Tensor = self.project(self.depthwise(self.spread(x + self.one(y) + self.other(y))).relu())
        return out


def readers(*left_out: str) -> dict[str, list[str]]:
    torch.manual_seed(0)
    model = Block().eval()
    groups = find_channel_groups(model, Inputs.of(torch.randn(2, 4, 6, 6)))
    names = {name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}.difference(left_out)
    return {name: [use.name for use in uses] for name, uses in find_readers(model, groups, names).items()}


def test_channels_with_one_maker_and_all_that_read_them() -> None:
    """Those that are added to others, pass a depthwise layer, or are outputs have several makers or no reader."""
    assert readers() == {"inside": ["one", "other"]}


@pytest.mark.parametrize("name", ["inside", "other"])
def test_layers_that_are_not_measured_leave_their_channels_out(name: str) -> None:
    assert readers(name) == {}
