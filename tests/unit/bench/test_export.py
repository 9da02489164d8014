"""The benchmark of exported files, on a tiny network."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from bench.export.run import TABLE, rows, timed
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.network.loading import copied
from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
from qubo_dnn.compression.rewriting.compressed_file import save_compressed
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.plan import LayerPlan, Plan


def test_every_form_stands_beside_the_network_and_our_file(network: nn.Module, images: Data, tmp_path: Path) -> None:
    smaller = copied(network)
    plan = Plan({each.name: LayerPlan(each.channels, (Option(4),)) for each in find_layers(network).layers})
    save_compressed(tmp_path / "model.safetensors", smaller, plan, apply_plan_(smaller, plan))
    found = rows("tiny", tmp_path, network, images, images, tmp_path, turns=2)
    whole, small, fast, _ = found
    assert [row["file"] for row in found] == ["fp32", "small", "fast", "fast-vnni"]
    assert (whole["share"], whole["accuracy"], whole["single_ratio"], whole["many_ratio"]) == (1.0, 1.0, 1.0, 1.0)
    assert small["accuracy"] == small["torch_accuracy"] == evaluate(smaller, images).accuracy
    assert (
        small["own"] == (tmp_path / "tiny.small.onnx").stat().st_size / (tmp_path / "model.safetensors").stat().st_size
    )
    assert fast["integer"] == "3 of 3"
    assert len(TABLE.markdown(found).splitlines()) == 6


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
