"""A stranger's plugins, and a folder with what `qubo-dnn compress` takes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from qubo_dnn import errors, registry
from qubo_dnn.cli.main import main

Line = Callable[..., list[str]]

MODULE = '''
from typing import ClassVar, Literal

from pydantic import Field

from qubo_dnn.backend import Capabilities, SolveOptions
from qubo_dnn.constraint import ConstraintKind


class Options(SolveOptions):
    beta: float = Field(default=0.5, gt=0, le=10, description="inverse temperature")
    schedule: Literal["linear", "geometric"] = Field(default="linear", description="how it grows")
    ends: tuple[float, float] | None = Field(default=None, description="first and last")
    steps: list[int] | Literal["auto"] = Field(default="auto", description="where it changes")


class Sound:
    name: ClassVar[str] = "sound"
    summary: ClassVar[str] = "samples with [brackets]"
    options_type = Options
    capabilities = Capabilities(max_variables=7, native_constraints=frozenset(ConstraintKind))


class Toy:
    """A toy.

    Args:
        size: how large.
    """

    name: ClassVar[str] = "toy"
    summary: ClassVar[str] = "a toy problem"

    def __init__(self, size: int, *, weight: "float | None" = 1.5, anything=None):
        pass
'''


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The distribution `stranger 3.1`."""
    (tmp_path / "stranger.py").write_text(MODULE)
    (tmp_path / "lacking.py").write_text("import a_package_that_is_not_there\n")
    (tmp_path / "broken.py").write_text("raise RuntimeError('two\\nlines')\n")
    info = tmp_path / "stranger-3.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 3.1\n")
    (info / "entry_points.txt").write_text(
        "[qubo_dnn.backends]\nsound = stranger:Sound\nlacking = lacking:Backend\nbroken = broken:Backend\n"
        "[qubo_dnn.formulations]\ntoy = stranger:Toy\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry._plugins.cache_clear()
    yield
    registry._plugins.cache_clear()


NETWORKS = """
import pathlib, time, torch
from torch import nn

def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))

def nan():
    model = net()
    model[3].weight.data[0, 0] = float("nan")
    return model

class Slow(nn.Sequential):
    def forward(self, x):
        if torch.is_grad_enabled():  # while it is measured
            with pathlib.Path("measuring").open("a") as file:
                file.write(".")
            time.sleep(0.2)
            hold = pathlib.Path("hold")  # holds it from when what the file names is there
            while hold.exists() and pathlib.Path(hold.read_text()).exists():
                time.sleep(0.02)
        return super().forward(x)

def slow():
    return Slow(*net())

class Cut(nn.Module):
    def forward(self, x):  # next to no gradient goes back
        return 0.001 * x + (0.999 * x).detach()

def cut():
    model = net()
    model[3].weight.data *= 20
    return model.insert(3, Cut())

class Branch(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x

def branching():
    return net().insert(3, Branch())

class Several(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.token, self.head = nn.Conv2d(1, 5, 3), nn.Linear(5, 3), nn.Linear(3, 4)

    def forward(self, sequence, image):
        tokens = self.token(sequence.movedim(1, 0) + self.conv(image).mean((2, 3))[:, None])
        return {"tokens": tokens.movedim(0, 1), "whole": self.head(tokens.mean(1))}

def several():
    torch.manual_seed(0)
    return Several()

def largest(outputs, targets):
    return outputs.amax(1).mean()

def huber():
    return lambda outputs, targets: nn.functional.huber_loss(outputs, targets)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder: a module with networks, weights, cost tables, and images as users have them."""
    (tmp_path / "mine.py").write_text(NETWORKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (40, 4, 4, 1), dtype=np.uint8), rng.integers(0, 3, 40)
    np.savez(tmp_path / "images.npz", x=x, y=y)
    np.savez(tmp_path / "many.npz", x=np.concatenate([x, 255 - x, x // 2, x // 3]), y=np.tile(y, 4))
    np.savez(tmp_path / "regression.npz", x=x, y=rng.normal(size=(40, 3)).astype(np.float32))
    np.savez(tmp_path / "one.npz", x=x[:1], y=y[:1])
    np.savez(tmp_path / "wide.npz", x=np.concatenate([x, x], 2), y=y)
    np.savez(tmp_path / "labels.npz", x=x, y=y + 7)
    np.savez(tmp_path / "empty.npz", x=x[:0], y=y[:0])
    floats = np.full((4, 1, 4, 4), np.nan, np.float32)
    np.savez(tmp_path / "nan.npz", x=floats, y=y[:4])
    shapes = {"0.weight": (4, 1, 3, 3), "0.bias": (4,), "3.weight": (3, 16), "3.bias": (3,)}
    weights = {key: torch.full(shape, 0.1) for key, shape in shapes.items()}
    save_file(weights, tmp_path / "good.safetensors")
    save_file({"stem" + key: value for key, value in weights.items()}, tmp_path / "other.safetensors")
    save_file(weights | {"3.bias": torch.full((3,), torch.nan)}, tmp_path / "nan.safetensors")
    rows = [f"{layer},{bits},{cost + bits}" for layer, cost in (("0", 3), ("3", 1)) for bits in (0, 2, 3, 4, 6, 8)]
    (tmp_path / "latency.csv").write_text("\n".join(["layer,option,cost", *rows]))
    (tmp_path / "short.csv").write_text("\n".join(["layer,option,cost", *rows[:-1]]))
    (tmp_path / "odd.csv").write_text("layer,option,cost\n0,4,-1\n")
    return tmp_path


@pytest.fixture
def line() -> Line:
    """A command line that works, unless what is added spoils it."""

    def make(
        *more: str,
        network: str = "mine:net",
        budget: str | None = "6bits",
        calibration: str | None = "images.npz",
    ) -> list[str]:
        words = ["compress", network, "--out", "out", "--granularity", "group:2"]
        # The weights alone: in so small a network, the rest of the file would take all of the budget.
        words += [] if budget is None else ["--budget", f"{budget}:weights" if budget.endswith("bits") else budget]
        words += [] if calibration is None else ["--calibration", calibration]
        return [*words, *more]

    return make


@pytest.fixture
def failure(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that fails with an error class, and gives the one line it says; nothing may be written."""

    def run(error: type[errors.QuboDnnError], arguments: list[str]) -> str:
        before = set(os.listdir(folder))
        code = main(arguments)
        printed = capsys.readouterr()
        assert code == error.exit_code, printed.err
        assert printed.out == ""
        *progress, said = printed.err.splitlines()
        assert all(stage.startswith(("load: ", "examine (", "quantize (")) for stage in progress)
        assert said.startswith("error: ")
        assert set(os.listdir(folder)) - {"__pycache__"} == before - {"__pycache__"}
        return said

    return run
