"""`to_onnx` of what `compress` returns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import qubo_dnn as qd
from qubo_dnn.errors import OptionError


def test_a_compressed_network_becomes_a_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 4, 3)), nn.Flatten(), nn.Linear(64, 3))
    images = torch.randn(24, 1, 6, 6)
    smaller = qd.compress(network.half(), images, "5bits:weights", backend="tabu", rounds=1, granularity="layer")
    small = smaller.to_onnx(tmp_path / "small.onnx")
    assert small.agreement.samples == 24
    assert small.agreement.relative < 1e-5
    assert small.bytes == (tmp_path / "small.onnx").stat().st_size
    assert small.to_dict()["path"] == str(tmp_path / "small.onnx")
    same = smaller.compression.to_onnx(tmp_path / "again.onnx", smaller.images)
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "small.onnx").read_bytes()
    assert same.agreement == small.agreement
    with pytest.raises(OptionError, match="unknown form"):
        smaller.to_onnx(tmp_path / "a.onnx", form="tiny")
