"""The benchmarks of exported files, on a tiny network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from bench.export.__main__ import Conditions, compress_to
from bench.export.prediction import compressed_to
from bench.export.run import Running, rows, table, timed
from bench.networks.loading import accuracy
from bench.networks.shipped.network import ShippedNetwork
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.export.checking import session
from qubo_dnn.compression.network.inference import evaluate, logits
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.network.loading import copied
from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
from qubo_dnn.compression.rewriting.compressed_file import load_compressed_, save_compressed
from qubo_dnn.compression.task.cost_tables import REST, CostTable
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.plan import LayerPlan, Plan


@pytest.fixture
def given(network: nn.Module, images: Data) -> ShippedNetwork:
    return ShippedNetwork(network, images, images, lambda model: accuracy(model, images))


def test_every_form_stands_beside_the_network_and_our_file(given: ShippedNetwork, tmp_path: Path) -> None:
    smaller = copied(given.module)
    plan = Plan({each.name: LayerPlan(each.channels, (Option(4),)) for each in find_layers(given.module).layers})
    save_compressed(tmp_path / "model.safetensors", smaller, plan, apply_plan_(smaller, plan))
    found = rows("tiny", tmp_path, given, tmp_path, batches=(1, 3), turns=2)
    whole, small, fast, _ = found
    assert [row["file"] for row in found] == ["fp32", "small", "fast", "fast-vnni"]
    assert (whole["share"], whole["metric"], whole["as_before"]) == (1.0, 1.0, 1.0)
    assert [each["of_fp32"] for each in whole["latency"].values()] == [1.0, 1.0]
    assert small["metric"] == small["torch_metric"] == evaluate(smaller, given.test).accuracy
    same = logits(smaller, given.test).argmax(1) == logits(given.module, given.test).argmax(1)
    assert small["as_before"] == same.double().mean().item()
    assert (
        small["own"] == (tmp_path / "tiny.small.onnx").stat().st_size / (tmp_path / "model.safetensors").stat().st_size
    )
    assert fast["integer"] == "3 of 3"
    lines = table((1, 3)).markdown(found).splitlines()
    assert len(lines) == 6
    assert {line.count(" | ") for line in (lines[0], *lines[2:])} == {14}
    samples = next(given.test.batches(2))[0].only
    made = Running(session(tmp_path / "tiny.small.onnx"))(samples)
    assert torch.allclose(made, smaller(samples), atol=1e-5)


def test_a_network_is_compressed_as_asked(given: ShippedNetwork, tmp_path: Path) -> None:
    compress_to(tmp_path / "run", given, Conditions(24.0, "4,8", "layer", "none", "none", 0))
    plan = Plan.load(tmp_path / "run" / "plan.json")
    assert {option for layer in plan.layers.values() for option in layer.options} <= {Option(4), Option(8)}
    load_compressed_(copied(given.module), tmp_path / "run" / "model.safetensors")


def test_a_prediction_and_what_is_measured_are_of_the_same_plan(given: ShippedNetwork, tmp_path: Path) -> None:
    costs = {(REST, Option(8)): 1.0, (REST, Option(32)): 1.0}
    layers = find_layers(given.module).layers
    for layer in layers:
        costs |= {(layer.name, Option(0)): 0.0, (layer.name, Option(8)): 1.0, (layer.name, Option(32)): 2.0}
    row = compressed_to("60%", CostTable("latency.csv", costs), given, 0, tmp_path)
    assert row["budget"] == "60%"
    rest, dearest = 1.0, 2.0 * len(layers)
    assert rest / (dearest + rest) < row["predicted"] <= (0.6 * dearest + rest) / (dearest + rest)
    assert row["measured"] == pytest.approx(row["after"] / row["before"])


def test_the_first_run_is_not_timed() -> None:
    class Running:
        calls = 0

        def get_inputs(self) -> list[object]:
            return [type("Input", (), {"name": "x"})]

        def run(self, *_: object) -> None:
            self.calls += 1

    running = Running()
    seconds = timed({"a": running}, [], 3)  # type: ignore[arg-type]  # nothing reads the images
    assert running.calls == 4
    assert seconds["a"] > 0.0
