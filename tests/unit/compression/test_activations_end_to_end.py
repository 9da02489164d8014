"""Networks whose activations are quantized too: number types, ways of calling, files, exports and removal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from qubo_dnn.compression.compress import Compressor
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.inference import inference
from qubo_dnn.compression.outcome import Compression
from qubo_dnn.compression.quantization.activation_grid import activation_grids
from qubo_dnn.compression.result import MODEL, write_run
from qubo_dnn.compression.rewriting.compressed_file import compressed_bytes, load_compressed_
from qubo_dnn.compression.search.settings import SearchSettings
from qubo_dnn.compression.settings import CompressionSettings
from qubo_dnn.compression.task.budgets import parse_budget
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.registry import get_backend
from qubo_formulations.pruning_quantization import PruningQuantization
from tests.unit.compression.conftest import Tiny

QUICK: dict[str, Any] = {"backend": "tabu", "rounds": 1, "activations": (4, 8)}


def assert_loads(done: Compression, given: nn.Module, fresh: nn.Module, data: Data, folder: Path) -> None:
    """Write and load; the outputs are those of the compressed network, bit for bit."""
    write_run(folder, given, done, data, {})
    load_compressed_(fresh, folder / MODEL)
    assert activation_grids(fresh) == activation_grids(done.model) != {}
    inputs = next(data.batches(8))[0].only.to(next(given.parameters()).dtype)
    with inference(fresh), inference(done.model):
        assert torch.equal(fresh(inputs), done.model(inputs))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_networks_of_every_number_type(tiny: Tiny, tmp_path: Path, dtype: torch.dtype) -> None:
    model = tiny.network().to(dtype)
    done = tiny.compress(model=model, **QUICK)
    plan = done.found.applied.plan
    assert set(plan.activations) == {"0", "5"}
    assert {name: grid.bits for name, grid in activation_grids(done.model).items()} == dict(plan.activations)
    assert {each.dtype for each in done.model.parameters()} == {dtype}
    assert_loads(done, model, tiny.network().to(dtype), tiny.images(), tmp_path / "run")


def test_a_budget_of_the_whole_file_holds(tiny: Tiny) -> None:
    torch.manual_seed(1)
    layers = [layer for _ in range(6) for layer in (nn.Linear(8, 8), nn.ReLU())]
    model = nn.Sequential(nn.Flatten(), nn.Linear(72, 8), *layers, nn.Linear(8, 3)).eval()
    settings = CompressionSettings(
        budgets=(parse_budget("3000B"),),
        activations=(4, 8),
        search=SearchSettings(rounds=1, backend_options={"seed": 3}),
    )
    compressor = Compressor(PruningQuantization, get_backend("tabu"), settings)
    done = compressor.compress(model, tiny.images(), None, tiny.listener)
    applied = done.found.applied
    size = len(compressed_bytes(applied.network, applied.plan, applied.quantized))
    assert len(activation_grids(done.model)) == 8
    # All counted but for a few bytes of digits in the header.
    assert 2800 < size <= 3000


class Several(nn.Module):
    """A layer that is called twice, two that share a weight, sequences [N, T, C], and calls by keyword."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.twice, self.one, self.other = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6, bias=False)
        self.other.weight = self.one.weight
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.mean(1)
        x = torch.relu(self.twice(torch.relu(self.twice(input=x))))
        x = self.one(x) + self.other(input=torch.tanh(x))
        made: Tensor = self.head(input=x).mean(1)
        return made


def test_every_way_of_calling(tiny: Tiny, tmp_path: Path) -> None:
    model = Several().eval()
    done = tiny.compress(model=model, **QUICK)
    assert set(activation_grids(done.model)) == set(done.found.applied.plan.activations) == {"twice", "one", "head"}
    assert_loads(done, model, Several(), tiny.images(), tmp_path / "run")
    assert done.to_onnx(tmp_path / "a.onnx", tiny.images()).agreement.relative < 1e-5


class Recurrent(nn.Module):
    """An LSTM, an attention and a Linear."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.lstm, self.attention = nn.LSTM(12, 6, batch_first=True), nn.MultiheadAttention(6, 2, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.lstm(x.transpose(1, 2).flatten(2))[0]
        logits: Tensor = self.head(self.attention(x, x, x)[0].mean(1))
        return logits


def test_what_layers_without_plain_calls_read_is_left_alone_and_named(tiny: Tiny, tmp_path: Path) -> None:
    model = Recurrent().eval()
    done = tiny.compress(model=model, **QUICK)
    assert set(activation_grids(done.model)) == {"head"}
    (said,) = [text for text in done.warnings if "reads is not quantized" in text]
    for name in ("lstm.weight_ih_l0", "lstm.weight_hh_l0", "attention.in_proj_weight", "attention.out_proj"):
        assert name in said
    assert_loads(done, model, Recurrent(), tiny.images(), tmp_path / "run")


def test_pruned_channels_leave_beside_quantized_activations(tiny: Tiny, tmp_path: Path) -> None:
    done = tiny.compress("2bits", calibration=tiny.images(40), options=bit_widths(0, 4, 8), **QUICK)
    assert done.removal is not None
    assert done.removal.channels
    assert activation_grids(done.smaller) == activation_grids(done.model) != {}
    inputs = next(tiny.images(8, seed=7).batches(8))[0].only
    with inference(done.smaller), inference(done.model):
        wanted = done.model(inputs)
        assert (done.smaller(inputs) - wanted).abs().max() <= 1e-4 * wanted.abs().max()
    file = done.to_onnx(tmp_path / "a.onnx", tiny.images())
    assert file.agreement.relative < 1e-5


def test_training_keeps_the_grids(tiny: Tiny) -> None:
    data = tiny.images(40)
    done = tiny.compress(calibration=data, **QUICK)
    module = done.to_qat()
    inputs = next(data.batches(8))[0].only
    with inference(module), inference(done.model):
        assert torch.equal(module(inputs), done.model(inputs))
    with torch.no_grad():
        module.get_parameter("5.bias").add_(0.5)
    trained = done.from_qat(module, data)
    assert activation_grids(trained.model) == activation_grids(done.model) != {}
    with inference(module), inference(trained.model):
        assert torch.equal(trained.model(inputs), module(inputs))
