"""`qd.inspect` of networks, folders and files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import qubo_dnn as qd
from qubo_dnn.compression.inspection.figures import NetworkInspection
from qubo_dnn.compression.inspection.model_file import ModelFile
from qubo_dnn.compression.inspection.run_record import RunRecord
from qubo_dnn.errors import FileFormatError, ModelError, OptionError


def test_networks_with_and_without_samples() -> None:
    network, images = nn.Sequential(nn.Flatten(), nn.Linear(16, 4)), torch.randn(40, 1, 4, 4)
    found = qd.inspect(network)
    assert isinstance(found, NetworkInspection)
    assert [each.variables for each in found.granularities] == [6, 6, 24]
    seen = qd.inspect(network, images, options="0,4", granularities=["group:2"], calibration_size=20, probes=3)
    assert isinstance(seen, NetworkInspection)
    assert (seen.samples, seen.probes, seen.layers[0].macs) == (15, 3, 64)
    assert (seen.granularities[0].variables, seen.granularities[0].interactions) == (4, 4)


def test_losses_and_outputs_are_those_of_compress() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(3, 2), nn.Linear(3, 5)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"first": self.first(x), "second": self.second(x)}

    samples = torch.randn(16, 3)
    one = qd.inspect(Two(), samples, output="second", loss="squared-error")
    assert isinstance(one, NetworkInspection)
    assert ([layer.name for layer in one.layers], one.probes) == (["second"], 5)
    both = qd.inspect(Two(), samples, output=["first", "second=squared-error"], loss=nn.functional.mse_loss)
    assert isinstance(both, NetworkInspection)
    assert [layer.name for layer in both.layers] == ["first", "second"]


def test_what_a_compression_has_written(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(8, 3))
    done = qd.compress(network, torch.randn(16, 8), "9bits:weights", granularity="layer", rounds=1, options="4,6")
    folder = done.save(tmp_path / "run")
    record, file = qd.inspect(folder), qd.inspect(str(folder / "model.safetensors"))
    assert isinstance(record, RunRecord)
    assert isinstance(file, ModelFile)
    assert record.figures["layers"][0]["shape"] == list(file.layers[0].shape) == [3, 8]


def test_mistakes_have_messages(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="not the folder of a run"):
        qd.inspect(tmp_path)
    with pytest.raises(ModelError, match="the network is int"):
        qd.inspect(3)
    with pytest.raises(OptionError, match="granularity 'block'"):
        qd.inspect(nn.Linear(3, 2), granularities=["block"])
