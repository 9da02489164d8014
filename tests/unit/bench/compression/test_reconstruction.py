"""One plan, carried out with every repair."""

from __future__ import annotations

import torch
from torch import nn

from bench.compression.reconstruction import REPAIRS, TABLE, carried_out
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.plan import LayerPlan, Plan


def test_every_repair_is_made_and_none_is_worse_than_the_one_before() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)).eval()
    images, held_out = (Data.from_tensors(torch.randn(200, 4) + 1.0, torch.zeros(200, dtype=torch.int64)) for _ in "ab")
    candidates = make_candidates(find_layers(network), bit_widths(0, 8))
    plan = Plan({"0": LayerPlan(1, bit_widths(8, 0, 8, 8, 0, 8))})
    judge = HeldOutDivergence(network, held_out, CROSS_ENTROPY)
    found = list(carried_out(plan, network, candidates, images, judge, seed=0))
    assert tuple(name for name, _, _ in found) == REPAIRS
    bare, repaired, refitted = (applied.held_out.divergence for _, applied, _ in found)
    assert refitted < repaired < bare
    assert "reconstruction" in found[2][1].repaired


def test_seeds_become_means() -> None:
    row = {"plan": "3 bits", "repair": "none", "accuracy": 0.5, "test_divergence": 0.25, "held_out_divergence": 0.5}
    rows = [row | {"seconds": 1.0}, row | {"seconds": 2.0, "accuracy": 0.6}]
    assert TABLE.line(rows).startswith("| 3 bits | none | 55.00 (50.00 to 60.00) | 0.2500")
