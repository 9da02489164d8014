"""The same plan and the same network on a GPU as on the CPU."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.layer_usage import usage
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.network.loading import on_device
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.result import MODEL, write_run
from qubo_dnn.compression.rewriting.compressed_file import load_compressed_
from qubo_dnn.compression.search.task_builder import layer_changes
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.errors import OptionError
from tests.unit.compression.conftest import Tiny

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that CUDA can use is at hand")
QUICK: dict[str, Any] = {"backend": "tabu", "rounds": 1, "rerank": 2}


class Mixed(nn.Module):
    """A convolution, a recurrent layer, attention and a functional weight."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.lstm = nn.Conv2d(2, 4, 3), nn.LSTM(16, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.matrix, self.head = nn.Parameter(torch.randn(8, 8)), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.lstm(torch.relu(self.conv(x)).flatten(2))[0]
        logits: Tensor = self.head(torch.tanh(self.attention(x, x, x)[0].mean(1) @ self.matrix))
        return logits


def images(count: int = 12) -> Data:
    pixels = torch.randn(count, 2, 6, 6, generator=torch.Generator().manual_seed(1))
    return Data.from_tensors(pixels, torch.arange(count) % 3)


def measured(model: nn.Module) -> np.ndarray[Any, Any]:
    inventory, data = find_layers(model), images()
    inventory = usage(inventory, data).of(inventory)
    changes = layer_changes(inventory, "channel", make_candidates(inventory, bit_widths(0, 2, 4)))
    found = gauss_newton(model, changes, data).matrix
    assert found is not None
    return found


@needs_gpu
def test_the_measurement_is_that_of_the_cpu() -> None:
    model = Mixed()
    expected = measured(model)
    found = measured(copy.deepcopy(model).cuda())
    assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()


@needs_gpu
@pytest.mark.parametrize("compensation", ["none", "gptq"])
def test_the_plan_is_that_of_the_cpu(tiny: Tiny, tmp_path: Path, compensation: str) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    options = {"calibration": images(), "compensation": compensation, **QUICK}
    expected = tiny.compress("4bits", model=Mixed(), **options)
    model = Mixed().cuda()
    done = tiny.compress("4bits", model=model, **options)
    assert {each.device.type for each in done.model.parameters()} == {"cuda"}
    ours, theirs = (found.found.applied for found in (done, expected))
    assert ours.held_out.divergence == pytest.approx(theirs.held_out.divergence, rel=0.05)
    assert ours.plan.layers.keys() == theirs.plan.layers.keys()
    write_run(tmp_path / "run", model, done, images(), {})
    again = Mixed()
    load_compressed_(again, tmp_path / "run" / MODEL)
    for key, value in done.model.state_dict().items():
        assert torch.equal(again.state_dict()[key], value.cpu()), key


def test_a_device_that_does_not_exist() -> None:
    with pytest.raises(OptionError, match="the device 'gpu' cannot be used: RuntimeError"):
        on_device(nn.Linear(3, 2), "gpu")
    if not torch.cuda.is_available():
        with pytest.raises(OptionError, match="the device 'cuda' cannot be used"):
            on_device(nn.Linear(3, 2), "cuda")
