"""Channels chosen in several ways, and taken out of a small network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from bench.removal.channels import Channels
from bench.removal.measured import Gradients, Measured
from bench.removal.methods import METHODS, OURS, UNIFORM, l1_norms
from bench.removal.page import page, verdicts
from bench.removal.picture import draw
from bench.removal.results import RemovalResults, RemovalRow
from bench.removal.run import run
from bench.removal.speed import in_turns, latency
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.removal.remove_pruned import remove_pruned


class Blocks(nn.Module):
    """Two residual blocks on maps of 36 and 9 positions; 6 and 4 channels inside them can leave."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.in1, self.norm1, self.out1 = nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Conv2d(6, 4, 1)
        self.in2, self.norm2, self.out2 = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.out1(self.norm1(self.in1(x)).relu())
        x = F.max_pool2d(x, 2)
        x = x + self.out2(self.norm2(self.in2(x)).relu())
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


@pytest.fixture
def blocks() -> nn.Module:
    torch.manual_seed(0)
    return Blocks().eval()


@pytest.fixture
def pictures(blocks: nn.Module) -> Data:
    pixels = torch.randn(48, 2, 6, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return Data.from_tensors(pixels, blocks(pixels).argmax(1))


@pytest.fixture
def channels(blocks: nn.Module, pictures: Data) -> Channels:
    return Channels.of(blocks, pictures, 32, 0.25, seed=0)


def test_what_leaves_with_channels_adds_up(channels: Channels) -> None:
    assert [group.name for group in channels.groups] == ["in1", "in2"]
    assert (len(channels.measured_on), len(channels.judged_on)) == (24, 8)
    removed = np.array([True, False, False, True, False, False, False, True, False, False])
    smaller = remove_pruned(channels.without(removed).network, next(channels.measured_on.batches(4))[0])
    assert smaller.macs[1] / smaller.macs[0] == pytest.approx(channels.share(removed), rel=1e-6)
    assert channels.removed(channels.plan(removed)).tolist() == removed.tolist()


def test_channels_leave_in_order_and_return_if_they_need_not(channels: Channels) -> None:
    share = 1 - 1.01 * (channels.saved[0] + channels.saved[9])
    # After the first two, one more has to leave; then the cheap one is not needed any more.
    assert np.flatnonzero(channels.cheapest([0, 9, 1, *range(2, 9)], share)).tolist() == [0, 1]
    everything = channels.cheapest(range(10), 0.0)
    assert everything.tolist() == [*[True] * 5, False, *[True] * 3, False]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_within_the_budget(channels: Channels, method: str) -> None:
    removed = METHODS[method](Measured(channels), 0.8)
    assert channels.share(removed) <= 0.8
    if method != OURS:
        # No channel has left without need.
        assert all(channels.share(removed) + channels.saved[gone] > 0.8 for gone in np.flatnonzero(removed))


def test_norms_and_uniform_shares(channels: Channels) -> None:
    measured = Measured(channels)
    with torch.no_grad():
        for name in ("in1", "in2"):
            channels.model.get_submodule(name).get_parameter("weight")[1] *= 0.01
    assert l1_norms(measured).argsort()[:2].tolist() in ([1, 7], [7, 1])
    removed = METHODS[UNIFORM](measured, 1 - channels.saved[0] - channels.saved[9])
    assert np.flatnonzero(removed).tolist() == [1, 7]


def test_gradients_are_of_single_images(channels: Channels) -> None:
    found = Gradients.of(channels)
    model = channels.model
    sums, scales = torch.zeros(6), torch.zeros(6)
    for inputs, labels in channels.measured_on.batches(1):
        assert labels is not None
        model.zero_grad()
        F.cross_entropy(inputs.call(model), labels).backward()  # type: ignore[no-untyped-call]  # torch's own
        norm = model.get_submodule("norm1")
        weight, bias = norm.get_parameter("weight"), norm.get_parameter("bias")
        assert weight.grad is not None
        assert bias.grad is not None
        sums += weight.grad
        scales += (weight.grad * weight.detach() + bias.grad * bias.detach()).square()
    assert found.sums["norm1.weight"].allclose(sums, rtol=1e-4, atol=1e-6)
    assert found.scales[:6].allclose(scales, rtol=1e-4, atol=1e-8)


def test_only_what_is_missing_is_run(blocks: nn.Module, pictures: Data, tmp_path: Path) -> None:
    results, heard = RemovalResults({}), list[str]()
    settings = {"percents": [80.0], "seeds": [0, 1], "size": 32, "turns": 0}
    for names in (["L1 norms"], ["L1 norms", UNIFORM]):
        run(blocks, pictures, pictures, results, heard.append, methods=names, **settings)  # type: ignore[arg-type]
    assert [row.key for row in results.rows] == [
        (name, 80.0, seed) for name in ("L1 norms", UNIFORM) for seed in (0, 1)
    ]
    assert len(heard) == 4
    assert results.accuracy == 1.0
    assert all(0.6 < row.macs <= 0.8 and sum(row.kept) < 10 and row.accuracy > 0.3 for row in results.rows)
    draw(results, tmp_path)
    assert (tmp_path / "accuracy.png").stat().st_size > 1000


def test_smaller_networks_are_timed(blocks: nn.Module) -> None:
    pytest.importorskip("onnxruntime")
    found = latency(blocks, blocks, Data.from_tensors(torch.randn(64, 2, 6, 6)), turns=2)
    assert list(found) == ["torch, 1", "onnxruntime, 1", "torch, 64", "onnxruntime, 64"]
    assert all(before > 0 and after > 0 for before, after in found.values())
    order: list[str] = []
    in_turns(lambda: order.append("one"), lambda: order.append("other"), turns=2)
    assert order == ["one", "other"] * 3


def test_the_page_says_who_is_ahead() -> None:
    ours = RemovalRow(OURS, 60.0, 0, 0.599, (3, 2), 0.84, 0.2, 0.21, 9.0, {"torch, 1": (2.0, 1.5)})
    other = RemovalRow(UNIFORM, 60.0, 0, 0.598, (3, 2), 0.86, 0.2, 0.21, 0.1)
    results = RemovalResults({}, 0.9, [ours, other])
    assert verdicts(results, 60.0) == [
        "At 60 %, 1 of 1 methods are ahead of `ours`: 84.00 %, and the best other, `uniform`, 86.00 %."
    ]
    text = page(results, "About.", "Remarks.")
    assert "| uniform | 1 | **86.00** | 0.200 | 59.8 | 3, 2 | 0 |" in text
    assert "| ours | 60 | 1.50 (0.75) |" in text
    assert verdicts(RemovalResults({}, 0.9, [ours]), 60.0) == []
