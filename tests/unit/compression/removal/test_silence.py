"""Pruned channels are set to zero, and the repair of others makes up for their constants."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.removal.channel_groups import find_channel_groups
from qubo_dnn.compression.removal.remove_pruned import remove_pruned
from qubo_dnn.compression.removal.silence import silence_, silent_entries
from qubo_dnn.compression.rewriting.recovery import repair_

IMAGES = torch.randn(64, 2, 6, 6, generator=torch.Generator().manual_seed(3))


def pruned(norm: nn.Module | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    first = [nn.Conv2d(2, 4, 1), *([] if norm is None else [norm]), nn.ReLU()]
    made = nn.Sequential(*first, nn.Conv2d(4, 3, 3, padding=1), nn.Flatten()).eval()
    with torch.no_grad():
        made.get_parameter("0.bias").fill_(0.5)
        made.get_parameter("0.weight")[[1, 2]] = 0.0
    return made


@pytest.mark.parametrize("norm", [None, nn.BatchNorm2d(4)])
def test_pruned_channels_are_zero_and_others_unchanged(norm: nn.Module | None) -> None:
    network = pruned(norm)
    before = network[:-2](IMAGES)
    silenced = silence_(network, find_channel_groups(network, Inputs.of(IMAGES[:2])))
    after = network[:-2](IMAGES)
    assert silenced == {name: [1, 2] for name in (("0",) if norm is None else ("0", "1"))}
    assert not after[:, [1, 2]].any()
    assert torch.equal(after[:, [0, 3]], before[:, [0, 3]])
    assert remove_pruned(network, IMAGES).channels == {"0": (1, 2)}


def test_a_norm_without_scale_and_shift_is_left_alone() -> None:
    network = pruned(nn.BatchNorm2d(4, affine=False))
    before = copy.deepcopy(network.state_dict())
    assert silence_(network, find_channel_groups(network, Inputs.of(IMAGES[:2]))) == {}
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


def test_the_repair_makes_up_for_the_constants_and_keeps_the_channels_silent() -> None:
    original, network, data = pruned(), pruned(), Data.from_tensors(IMAGES)
    silenced = silence_(network, find_channel_groups(network, Inputs.of(IMAGES[:2])))
    without = (logits(network, data) - logits(original, data)).square().mean()
    repair_(network, original, data, ("bias",), silenced)
    assert (logits(network, data) - logits(original, data)).square().mean() < 0.5 * without
    assert network.get_parameter("0.bias").tolist() == [0.5, 0.0, 0.0, 0.5]
    assert remove_pruned(network, IMAGES).channels == {"0": (1, 2)}


@pytest.mark.parametrize("norm", [None, nn.BatchNorm2d(4)])
def test_silent_entries_are_those_that_silence_has_set(norm: nn.Module | None) -> None:
    network = pruned(norm)
    groups = find_channel_groups(network, Inputs.of(IMAGES[:2]))
    if norm is not None:
        nn.init.ones_(network.get_parameter("1.bias"))
    assert silent_entries(network, groups) == {}
    silence_(network, groups)
    keys = ["0.bias"] if norm is None else ["0.bias", "1.weight", "1.bias"]
    assert silent_entries(network, groups) == {key: [1, 2] for key in keys}
