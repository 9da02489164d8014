"""A compression removes the channels that its plan prunes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.loading import copied
from qubo_dnn.compression.removal.remove_pruned import remove_pruned
from qubo_dnn.compression.result import MODEL, removal, write_run
from qubo_dnn.compression.rewriting.compressed_file import load_compressed_
from qubo_dnn.compression.rewriting.held_out import Divergence
from qubo_dnn.compression.search.plan_evaluator import AppliedPlan, PlanEvaluator
from qubo_dnn.compression.task.cost_tables import CostTable
from qubo_dnn.compression.task.layer_rules import Rules
from qubo_dnn.compression.task.options import Option, bit_widths
from tests.unit.compression.conftest import Tiny

QUICK: dict[str, Any] = {
    **{"backend": "neal", "backend_options": {"seed": 3, "num_reads": 4}, "rounds": 1, "rerank": 1},
    "rules": Rules(skip=("3", "last")),
}
PRUNED_OR_NOT = bit_widths(0, 32)


def network(dtype: torch.dtype = torch.float32, padding: int = 1) -> nn.Sequential:
    """Constants of pruned channels meet the padding of the second layer."""
    torch.manual_seed(0)
    first = (nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
    made = nn.Sequential(*first, nn.Conv2d(6, 4, 3, padding=padding), nn.ReLU()).eval()
    made.append(nn.Flatten()).append(nn.Linear(4 * (4 + 2 * padding) ** 2, 3))
    for name in ("running_mean", "bias"):
        torch.nn.init.uniform_(made.state_dict()[f"1.{name}"], -0.2, 0.2)
    return made.to(dtype)


def test_pruned_channels_leave_the_network(tiny: Tiny, tmp_path: Path) -> None:
    """The smaller one has the outputs of the compressed one, and follows from its file."""
    given, images = network(padding=0), tiny.images(40)
    done = tiny.compress("90%", model=given, calibration=images, options=PRUNED_OR_NOT, **QUICK)
    found = done.removal
    assert found is not None
    pruned = [k for k, option in enumerate(done.found.applied.plan.layers["0"].options) if option == Option(0)]
    assert found.channels["0"] == tuple(pruned)
    assert pruned
    assert not found.left
    assert torch.allclose(logits(done.smaller, images), logits(done.model, images), atol=1e-5)
    figures = removal(done)
    assert figures is not None
    assert figures["macs"][1] < figures["macs"][0]
    assert figures["parameters"][1] == sum(map(torch.numel, done.smaller.parameters())) < figures["parameters"][0]
    write_run(tmp_path / "run", given, done, images, {})
    loaded = copied(given)
    load_compressed_(loaded, tmp_path / "run" / MODEL)
    again = remove_pruned(loaded, next(images.batches(8))[0])
    assert again.channels == found.channels
    assert torch.equal(logits(again.model, images), logits(done.smaller, images))


def test_the_network_is_traced_once(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the repair, the removal and the file together."""
    built: list[object] = []
    library = pytest.importorskip("torch_pruning")
    build = library.DependencyGraph.build_dependency

    def counted(graph: Any, model: nn.Module, *given: Any, **named: Any) -> Any:
        built.append(model)
        return build(graph, model, *given, **named)

    monkeypatch.setattr(library.DependencyGraph, "build_dependency", counted)
    images = tiny.images(40)
    done = tiny.compress("90%", model=network(padding=0), calibration=images, options=PRUNED_OR_NOT, **QUICK)
    done.to_onnx(tmp_path / "small.onnx", images)
    assert done.removal is not None
    assert done.removal.channels
    assert len(built) == 1


def test_they_stay_if_they_should(tiny: Tiny) -> None:
    done = tiny.compress("90%", model=network(), options=PRUNED_OR_NOT, remove="none", **QUICK)
    assert done.removal is None
    assert done.smaller is done.model
    assert removal(done) is None
    assert "remove" not in done.seconds


def test_nothing_is_removed_where_nothing_is_pruned(tiny: Tiny) -> None:
    done = tiny.compress("29bits", model=network(), options=bit_widths(4, 8), **QUICK)
    assert done.removal is None
    assert "remove" not in done.seconds


def test_the_smaller_network_has_the_types_of_the_given_one(tiny: Tiny) -> None:
    done = tiny.compress("90%", model=network(torch.bfloat16), options=PRUNED_OR_NOT, **QUICK)
    assert {parameter.dtype for parameter in done.smaller.parameters()} == {torch.bfloat16}


def test_a_network_that_gets_clearly_worse_keeps_its_constants(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    silenced = PlanEvaluator.silenced

    def worse(*given: Any) -> AppliedPlan:
        applied = silenced(*given)
        return replace(applied, held_out=Divergence(np.full_like(applied.held_out.blocks, 99.0)))

    monkeypatch.setattr(PlanEvaluator, "silenced", worse)
    done = tiny.compress("90%", model=network(), options=PRUNED_OR_NOT, **QUICK)
    assert done.found.applied.held_out.divergence < 99.0
    assert done.removal is not None


def test_a_network_that_cannot_be_traced_keeps_its_channels(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no graph")

    monkeypatch.setattr("torch_pruning.DependencyGraph.build_dependency", refuse)
    done = tiny.compress("90%", model=network(), options=PRUNED_OR_NOT, **QUICK)
    assert done.removal is None
    assert "pruned channels stay in the network: the network cannot be traced: RuntimeError: no graph" in done.warnings


@pytest.mark.parametrize(("settings", "pruned"), [({}, 0), ({"remove": "none"}, 1), ({"recovery": "none"}, 1)])
def test_a_channel_without_variation_goes_first(tiny: Tiny, settings: dict[str, Any], pruned: int) -> None:
    """Biases make up for what is constant, if they are repaired: then its size does not matter."""
    torch.manual_seed(0)
    given = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 3)).eval()
    with torch.no_grad():
        given.get_parameter("0.weight").copy_(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    varying = torch.rand(40, generator=torch.Generator().manual_seed(1))
    images = Data.from_tensors(torch.stack([torch.ones(40), varying], 1))
    table = CostTable("channels", {("0", Option(0)): 0.0, ("0", Option(32)): 2.0})
    quick = QUICK | {"rules": Rules(skip=("2",)), "backend": "exact", "backend_options": {}, "tables": {"few": table}}
    done = tiny.compress("few=1", model=given, calibration=images, options=PRUNED_OR_NOT, **quick, **settings)
    options = done.found.applied.plan.layers["0"].options
    assert [k for k, option in enumerate(options) if option == Option(0)] == [pruned]
