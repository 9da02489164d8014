"""The multiply-accumulates that a budget counts are those of the network that is really smaller."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.network.inference import forward, inference
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.network.macs import count_macs
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.removal.channel_groups import find_channel_groups
from qubo_dnn.compression.removal.number_channels import number_channels
from qubo_dnn.compression.removal.remove_pruned import remove_pruned
from qubo_dnn.compression.removal.silence import silence_
from qubo_dnn.compression.removal.trial_removal import try_removal
from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
from qubo_dnn.compression.search.task_builder import layer_changes, unmeasured_task
from qubo_dnn.compression.task.budgets import TaskBudget, parse_budget
from qubo_dnn.compression.task.channel_map import ChannelMap, keep_one_channel
from qubo_dnn.compression.task.macs_budget import macs_budget
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.errors import OptionError
from tests.unit.compression.removal.test_remove_pruned import Dense, Fixed, Residual, depthwise


class Stream(nn.Module):
    """Two residual blocks, the second one with a depthwise layer and another width behind a projection."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.a, self.b = nn.Conv2d(4, 5, 3, padding=1), nn.Conv2d(5, 4, 3, padding=1)
        self.widen, self.spatial = nn.Conv2d(4, 8, 1, bias=False), nn.Conv2d(8, 8, 3, 2, 1, groups=8, bias=False)
        self.narrow, self.project = nn.Conv2d(8, 6, 1), nn.Conv2d(4, 6, 1, 2)
        self.head = nn.Linear(6 * 9, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm(self.stem(x)))
        x = functional.relu(x + self.b(functional.relu(self.a(x))))
        inner = functional.relu6(self.spatial(functional.relu6(self.widen(x))))
        made: Tensor = self.head(functional.relu(self.narrow(inner) + self.project(x)).flatten(1))
        return made


def vgg() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU()),
        *(nn.Conv2d(6, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(5, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(36, 7), nn.ReLU(), nn.Linear(7, 3)),
    )


def signals() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv1d(3, 4, 3), nn.ReLU(), nn.ConvTranspose1d(4, 5, 3), nn.ReLU(), nn.Conv1d(5, 3, 1), nn.Flatten()),
        nn.Linear(18, 2),
    )


NETWORKS = {
    "vgg": (vgg, (3, 6, 6)),
    "residual": (Residual, (3, 6, 6)),
    "stream": (Stream, (3, 6, 6)),
    "depthwise": (depthwise, (3, 6, 6)),
    "concat": (Dense, (3, 6, 6)),
    "signals": (signals, (3, 6)),
}


def posed(network: nn.Module, shape: tuple[int, ...]) -> tuple[CompressionTask, TaskBudget, ChannelMap, Data]:
    """The task of removing channels, and its budget."""
    data = Data.from_tensors(torch.randn(6, *shape, generator=torch.Generator().manual_seed(1)))
    inventory, inputs = find_layers(network), next(data.batches(6))[0]
    names = {layer.name for layer in inventory.layers}
    groups = try_removal(network, find_channel_groups(network, inputs[:2]), inputs, names)
    channels = number_channels(inventory, groups, count_macs(inventory, data))
    candidates = make_candidates(inventory, bit_widths(0, 32))
    changes = layer_changes(inventory, "channel", candidates)
    task = keep_one_channel(unmeasured_task(changes, candidates.options, math.inf, coupled=channels), channels)
    return task, macs_budget(parse_budget("60%macs"), task, channels), channels, data


def smaller(
    network: nn.Module, task: CompressionTask, choice: NDArray[np.intp], data: Data
) -> tuple[nn.Module, nn.Module]:
    """The masked network of a choice, and the one without its channels."""
    masked, inventory = copy.deepcopy(network), find_layers(network)
    apply_plan_(masked, task.plan(choice), make_candidates(inventory, bit_widths(0, 32)))
    inputs = next(data.batches(6))[0]
    groups = find_channel_groups(network, inputs[:2])
    silence_(masked, groups)
    return masked, remove_pruned(masked, inputs, groups=groups).model


@pytest.mark.parametrize("name", NETWORKS)
def test_the_budget_counts_what_the_smaller_network_takes(name: str) -> None:
    torch.manual_seed(3)
    kind, shape = NETWORKS[name]
    network = kind().eval()
    task, budget, channels, data = posed(network, shape)
    rng = np.random.default_rng(5)
    whole = sum(count_macs(find_layers(network), data).values())
    assert budget.used(np.ones(len(task.choices), np.intp)) == whole == budget.scale
    removing = np.isin(np.arange(len(task.choices)), channels.decisions(task.layers, task.units)) & task.choices[:, 0]
    most = np.where(removing, 0, 1)
    for choice in [most, *(np.where(removing & (rng.random(len(most)) < 0.5), 0, 1) for _ in range(3))]:
        masked, removed = smaller(network, task, choice, data)
        counted = sum(count_macs(find_layers(removed), data).values())
        assert counted == budget.used(choice)
        with inference(masked), inference(removed):
            inputs = next(data.batches(6))[0]
            expected = forward(masked, inputs)
            assert torch.allclose(forward(removed, inputs), expected, atol=1e-4 * float(expected.abs().max()))
    assert budget.used(most) < 0.5 * whole


def test_all_layers_that_make_a_channel_share_its_decision() -> None:
    task, budget, channels, _ = posed(Stream().eval(), (3, 6, 6))
    decisions = dict(
        zip(
            [layer.name for layer in task.layers],
            np.split(task.units, np.cumsum([s.units for s in task.layers])[:-1]),
            strict=True,
        )
    )
    assert decisions["stem"].tolist() == decisions["b"].tolist()
    assert decisions["widen"].tolist() == decisions["spatial"].tolist()
    assert decisions["narrow"].tolist() == decisions["project"].tolist()
    assert len(task.choices) == 4 + 5 + 8 + 6 + 3
    assert channels.obstacles == {"head": "its channels are outputs of the network"}
    # Pointwise layers: stem, a, b, widen, narrow, project; the depthwise layer and the head are linear.
    assert len(budget.products) == 5
    assert task.choices[:, 0].sum() == 3 + 4 + 7 + 5 + 3


def test_untied_channels_of_several_layers_count_always() -> None:
    network = Residual().eval()
    _, _, channels, _ = posed(network, (3, 6, 6))
    candidates = make_candidates(find_layers(network), bit_widths(0, 32))
    apart = unmeasured_task(layer_changes(find_layers(network), "channel", candidates), candidates.options, math.inf)
    budget = macs_budget(parse_budget("60%macs"), apart, channels)
    pruned = np.zeros(len(apart.choices), np.intp)
    pruned[apart.layer_of == [layer.name for layer in apart.layers].index("inner")] = 1
    macs = {layer.name: layer.macs for layer in channels.layers}
    assert budget.used(pruned) == sum(macs.values())
    decisions = channels.decisions(apart.layers, apart.units)
    assert ((decisions == -1).sum(), len(set(decisions.tolist()))) == (4, 7)


def test_a_width_in_the_code_is_an_obstacle() -> None:
    network = Fixed().eval()
    inputs = Inputs.of(torch.randn(3, 3, 5, 5))
    groups = try_removal(network, find_channel_groups(network, inputs), inputs, {"one", "two"})
    assert groups[0].obstacle == "the network takes no smaller one"


def test_a_skipped_layer_is_an_obstacle() -> None:
    network = Residual().eval()
    inputs = Inputs.of(torch.randn(3, 3, 6, 6))
    groups = try_removal(network, find_channel_groups(network, inputs), inputs, {"inner", "outer", "head"})
    assert {group.name: group.obstacle for group in groups} == {
        "stem": "stem is not compressed",
        "inner": None,
        "head": "its channels are outputs of the network",
    }


def test_a_network_that_can_lose_nothing_is_refused_with_the_reason() -> None:
    with pytest.raises(OptionError, match=r"60%macs': no channel can be removed \(0: its channels are outputs"):
        posed(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()).eval(), (3, 6, 6))
