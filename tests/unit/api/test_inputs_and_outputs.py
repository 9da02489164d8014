"""Networks of any inputs and outputs through `qd.compress`, with labels or without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import qubo_dnn as qd
from qubo_dnn.errors import DataError, ModelError, OptionError

IMAGES, VECTORS = torch.randn(16, 2, 6, 6, generator=torch.Generator().manual_seed(0)), torch.ones(16, 3)
QUICK: dict[str, Any] = {"backend": "tabu", "rounds": 1, "granularity": "layer", "options": "2,4,8"}


class Fused(nn.Module):
    """An image and a vector in, a dict of classes and boxes out."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.side = nn.Conv2d(2, 8, 3), nn.Linear(3, 8)
        self.classes, self.boxes = nn.Linear(8, 3), nn.Linear(8, 4)

    def forward(self, image: Tensor, vector: Tensor) -> dict[str, Tensor]:
        x = torch.relu(self.body(image)).mean((2, 3)) + self.side(vector)
        return {"classes": self.classes(x), "boxes": self.boxes(x)}


def plan(done: Any) -> Any:
    return done.plan.to_json()


@pytest.mark.parametrize("named", [False, True])
def test_two_inputs_and_all_outputs_reload_to_the_bit(named: bool, tmp_path: Path) -> None:
    given = {"image": IMAGES, "vector": VECTORS} if named else (IMAGES, VECTORS.numpy())
    network = Fused()
    done = qd.compress(network, given, "9bits", output=["classes", "boxes=squared-error*0.1"], **QUICK)
    folder = done.save(tmp_path / "run")
    again = Fused()
    qd.load_compressed_(again, folder / "model.safetensors")
    outputs, expected = again(IMAGES, VECTORS), done.model(IMAGES, VECTORS)
    assert all(torch.equal(outputs[name], expected[name]) for name in ("classes", "boxes"))
    assert not torch.equal(outputs["boxes"], network(IMAGES, VECTORS)["boxes"])
    written = json.loads((folder / "result.json").read_text())
    assert written["reference"]["accuracy"] is None
    assert {layer["name"] for layer in written["layers"]} == {"body", "side", "classes", "boxes"}


def test_layers_that_the_stated_output_does_not_reach_are_left_alone() -> None:
    done = qd.compress(Fused(), (IMAGES, VECTORS), "20bits", output="classes", **QUICK)
    assert "boxes" not in done.plan.layers
    assert "classes" in done.plan.layers


class Encoder(nn.Module):
    """A text model with padding; PyTorch would run its layers fused, and on nested tensors."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(20, 8)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0), 1)
        self.head = nn.Linear(8, 3)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        hidden = self.encoder(self.embed(input_ids), src_key_padding_mask=attention_mask == 0)
        logits: Tensor = self.head(hidden[:, 0])
        return logits


def test_an_encoder_with_padding_is_recovered_too() -> None:
    generator = torch.Generator().manual_seed(0)
    ids, lengths = torch.randint(20, (24, 6), generator=generator), torch.randint(2, 7, (24, 1), generator=generator)
    given = {"input_ids": ids, "attention_mask": (torch.arange(6) < lengths).long()}
    done = qd.compress(Encoder(), given, "9bits", **QUICK)
    assert {"encoder.layers.0.linear1", "encoder.layers.0.self_attn.in_proj_weight"} <= done.plan.layers.keys()
    assert torch.backends.mha.get_fastpath_enabled()


def test_labels_do_not_change_the_plan() -> None:
    network = nn.Sequential(nn.Conv2d(2, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 5))
    real = network(IMAGES).argmax(1)
    runs = [
        qd.compress(network, IMAGES, "4bits", targets=targets, test=[(IMAGES, targets)], **QUICK)
        for targets in (None, torch.zeros(16, dtype=torch.long), real)
    ]
    assert plan(runs[0]) == plan(runs[1]) == plan(runs[2])
    for done in runs[1:]:
        assert all(
            torch.equal(value, runs[0].model.state_dict()[key]) for key, value in done.model.state_dict().items()
        )
    first, _, last = (done.to_dict() for done in runs)
    assert (first["reference"]["accuracy"], first["reference"]["loss"]) == (None, None)
    assert last["reference"]["accuracy"] == 1.0
    assert first["compressed"]["divergence"] == last["compressed"]["divergence"] > 0.0


def test_a_metric_is_reported_and_is_the_target_of_the_drop() -> None:
    def spread(outputs: Tensor, targets: Tensor | None) -> Tensor:
        assert targets is None
        return outputs.std()

    network = nn.Sequential(nn.Conv2d(2, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 5))
    strict, lax = (
        qd.compress(network, IMAGES, None, target_accuracy_drop=drop, metric=spread, loss="squared-error", **QUICK)
        for drop in (1e-3, 10.0)
    )
    before, after = strict.to_dict()["calibration_metric"]
    assert before == pytest.approx(float(network(IMAGES).std()))
    assert after == pytest.approx(float(strict.model(IMAGES).std()))
    assert lax.to_dict()["compressed"]["bytes"] < strict.to_dict()["compressed"]["bytes"]


def test_sequences_first() -> None:
    class Sequence(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[::2] == (7, 6)
            outputs: Tensor = self.head(x.mean(0))
            return outputs

    done = qd.compress(Sequence(), torch.randn(7, 16, 6), "16bits", batch_axis=1, **QUICK)
    assert done.to_dict()["calibration_size"] == 16


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({}, ModelError, r"gives 2 outputs: classes \(2, 3\), boxes \(2, 4\); state which one"),
        ({"output": "class"}, OptionError, "no output 'class'; did you mean 'classes'"),
        ({"output": ["all", "boxes"]}, OptionError, "must be different ones, or 'all' alone, not all, boxes"),
        ({"output": "boxes=squared"}, OptionError, "unknown loss 'squared'"),
        ({"output": "classes", "mask": "valid"}, DataError, "there is no input 'valid', only 0, 1"),
        ({"output": "classes", "metric": "math:pi"}, OptionError, "not a function"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        qd.compress(Fused(), (IMAGES, VECTORS), "9bits", **QUICK, **settings)
