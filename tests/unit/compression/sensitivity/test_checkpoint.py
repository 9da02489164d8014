"""Measurements that are saved, killed and continued."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CallableLoss, SquaredError
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.search.task_builder import layer_changes
from qubo_dnn.compression.sensitivity.accumulator import Part, Sums
from qubo_dnn.compression.sensitivity.checkpoint import Checkpoint
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.errors import FileFormatError, OutputError

FACTOR_FORM = 6000 / 2**30  # GiB that hold the factor of the network below, not its matrix

# The same measurement in this process and in one that is killed.
MEASURE = """
import sys, time, torch
from pathlib import Path
from torch import nn
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.search.task_builder import layer_changes
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton

def measure(checkpoint, progress=None, **options):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 3)).eval()
    data = Data.from_tensors(torch.randn(9, 4), torch.arange(9) % 3)
    inventory = find_layers(model)
    layers = layer_changes(inventory, "channel", make_candidates(inventory, bit_widths(0, 2, 5)))
    reference = torch.randn(9, 3)
    return gauss_newton(model, layers, data, reference=reference, probes=2, batch_size=1,
                        checkpoint=checkpoint, progress=progress, **options)
"""
# Measures the second file from within the first measurement, so that one process is killed during both.
KILLED = (
    MEASURE
    + """

def begin_the_other(done, total):
    if done == 5:
        measure(Path(sys.argv[2]), linger, memory=float(sys.argv[3]))

def linger(done, total):
    if done == 5:
        print("waiting", flush=True)
        time.sleep(600)

measure(Path(sys.argv[1]), begin_the_other)
"""
)


def measure(
    checkpoint: Path | None, progress: Callable[[int, int], None] | None = None, **options: Any
) -> QuadraticLossModel:
    namespace: dict[str, Any] = {}
    exec(MEASURE, namespace)
    measured: QuadraticLossModel = namespace["measure"](checkpoint, progress, **options)
    return measured


def assert_equal(ours: QuadraticLossModel, theirs: QuadraticLossModel) -> None:
    for one, other in ((ours.matrix, theirs.matrix), (ours.factor, theirs.factor), (ours.linear, theirs.linear)):
        np.testing.assert_array_equal(one, other)
    assert ours.offset == theirs.offset


class StopError(Exception):
    """Ends a measurement from within."""


def stop_at(images: int) -> Callable[[int, int], None]:
    def progress(done: int, _: int) -> None:
        if done == images:
            raise StopError

    return progress


def test_killed_measurement_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    paths = {8.0: tmp_path / "matrix.safetensors", FACTOR_FORM: tmp_path / "factor.safetensors"}
    command = [sys.executable, "-c", KILLED, *map(str, paths.values()), str(FACTOR_FORM)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    for memory, path in paths.items():
        heard: list[int] = []

        def progress(done: int, _: int, heard: list[int] = heard) -> None:
            heard.append(done)

        resumed = measure(path, progress, memory=memory)
        assert 2 <= heard[0] <= 6
        assert heard[-1] == 9
        uninterrupted = measure(None, memory=memory)
        assert (uninterrupted.matrix is None) == (memory == FACTOR_FORM)
        assert_equal(resumed, uninterrupted)


def test_finished_measurement_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "measured.safetensors"
    first = measure(path)
    content = path.read_bytes()
    assert_equal(measure(path, stop_at(9)), first)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@dataclass
class Subject:
    """A small measurement, every part of which can be changed."""

    model: nn.Sequential
    layers: list[LayerChanges]
    data: Data
    options: dict[str, Any]

    @classmethod
    def make(cls) -> Subject:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).eval()
        inventory = find_layers(model)
        layers = layer_changes(inventory, "channel", make_candidates(inventory, bit_widths(*range(9))))
        data = Data.from_tensors(torch.randn(7, 4), torch.randn(7, 3))
        return cls(model, layers, data, {"loss": SquaredError(), "batch_size": 2})

    def measure(self, checkpoint: Path | None, **options: Any) -> QuadraticLossModel:
        return gauss_newton(self.model, self.layers, self.data, checkpoint=checkpoint, **self.options, **options)


def test_exact_probes_go_on_too(tmp_path: Path) -> None:
    path = tmp_path / "measured.safetensors"
    with pytest.raises(StopError):
        Subject.make().measure(path, progress=stop_at(4))
    assert path.exists()
    resumed: list[tuple[int, int]] = []
    assert_equal(Subject.make().measure(path, resumed=lambda *seen: resumed.append(seen)), Subject.make().measure(None))
    assert resumed == [(2, 7)]


def other_weights(subject: Subject) -> None:
    subject.model.get_parameter("0.weight").data[0, 0] += 1e-6


def other_buffers(subject: Subject) -> None:
    subject.model.get_buffer("1.running_mean").add_(1e-6)


def other_modules(subject: Subject) -> None:
    subject.model.append(nn.Identity())


def other_changes(subject: Subject) -> None:
    subject.layers = [replace(entry, changes=entry.changes * 1.0001) for entry in subject.layers]


def other_units(subject: Subject) -> None:
    subject.layers = [replace(entry, group=2) for entry in subject.layers]


def other_images(subject: Subject) -> None:
    inputs, targets = next(subject.data.batches())
    images = inputs.only
    images[3, 2] += 1e-6
    subject.data = Data.from_tensors(images, targets)


def other_preprocessing(subject: Subject) -> None:
    inputs, targets = next(subject.data.batches())
    subject.data = Data.from_tensors(inputs.only, targets, mean=[0, 0, 0, 0.1])


def other_targets(subject: Subject) -> None:
    inputs, targets = next(subject.data.batches())
    assert targets is not None
    subject.data = Data.from_tensors(inputs.only, targets + 1)


def option(name: str, value: object) -> Callable[[Subject], None]:
    def change(subject: Subject) -> None:
        subject.options[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (other_weights, "network"),
        (other_buffers, "network"),
        (other_modules, "network"),
        (other_changes, "options, units or compensation"),
        (other_units, "options, units or compensation"),
        (other_images, "images"),
        (other_preprocessing, "images"),
        (other_targets, "images"),
        (option("loss", CallableLoss("mine", nn.MSELoss())), "loss"),
        (option("reference", torch.zeros(7, 3)), "reference"),
        (option("probes", 3), "probes"),
        (option("seed", 1), "seed"),
        (option("batch_size", 1), "batch size"),
        (option("memory", 3800 / 2**30), "memory limit"),
    ],
)
def test_file_of_another_measurement(tmp_path: Path, change: Callable[[Subject], None], part: str) -> None:
    path = tmp_path / "measured.safetensors"
    subject = Subject.make()
    subject.measure(path)
    content = path.read_bytes()
    change(subject)
    with pytest.raises(FileFormatError, match=f"is a measurement that differs in {part}; delete it") as caught:
        subject.measure(path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content
    heard: list[str] = []
    assert_equal(subject.measure(path, replaced=heard.append), subject.measure(None))
    assert heard == [f"{path} is a measurement that differs in {part}: measuring again"]
    assert_equal(subject.measure(path, progress=stop_at(7)), subject.measure(None))


class TestDamaged:
    def test_cut_or_changed(self, tmp_path: Path) -> None:
        path = tmp_path / "measured.safetensors"
        Subject.make().measure(path)
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[-20] ^= 1
        for content in (b"", b"short", whole[:100], whole[:-1], whole + b"x", bytes(flipped)):
            path.write_bytes(content)
            with pytest.raises(
                FileFormatError, match=r"measured\.safetensors is damaged or not a measurement; delete it"
            ):
                Subject.make().measure(path)
            assert path.read_bytes() == content
            heard: list[str] = []
            assert_equal(Subject.make().measure(path, replaced=heard.append), Subject.make().measure(None))
            assert heard == [f"{path} is damaged or not a measurement: measuring again"]
            assert path.read_bytes() == whole

    def test_file_of_another_kind(self, tmp_path: Path) -> None:
        path = tmp_path / "model.safetensors"
        save_file({"weight": torch.zeros(3)}, path)
        with pytest.raises(FileFormatError, match=r"model\.safetensors: is not a saved measurement, and is"):
            measure(path, replaced=lambda _: None)

    def test_file_of_another_version(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "measured.safetensors"
        monkeypatch.setattr("qubo_dnn.compression.sensitivity.checkpoint._VERSION", "7")
        measure(path)
        monkeypatch.undo()
        with pytest.raises(FileFormatError, match="is a measurement of format 7, and this release reads 1"):
            measure(path)


class TestThatCannotBeWritten:
    def test_no_such_folder(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="none is not a folder"):
            measure(tmp_path / "none" / "measured.safetensors")

    def test_full_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("qubo_dnn.compression.sensitivity.checkpoint.os.fsync", full)
        with pytest.raises(OutputError, match="cannot be written: No space left on device"):
            measure(tmp_path / "measured.safetensors")
        assert list(tmp_path.iterdir()) == []


def test_saving_takes_a_twentieth_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which a batch takes 1 s and a save 0.5 s: at most 1 s in 21 goes into saving."""
    now = 0.0
    saved: list[float] = []
    monkeypatch.setattr(time, "monotonic", lambda: now)

    def save(_: Checkpoint, __: Sums) -> None:
        nonlocal now
        saved.append(now)
        now += 0.5

    monkeypatch.setattr(Checkpoint, "_save", save)
    checkpoint, sums = Checkpoint(tmp_path / "file", {}), Sums(200, 100, 1, 1e5 / 2**30, 0)
    image = Part.of([(torch.zeros(200, 1), None)], probes=1, as_matrix=False)
    for done in range(1, 101):
        now += 1.0
        sums.add(image)
        checkpoint.save_if_due(sums, finished=done == 100)
    assert saved == [1.0, 11.5, 22.0, 32.5, 43.0, 53.5, 64.0, 74.5, 85.0, 95.5, 105.0]


def test_parts_are_large_enough_to_multiply_and_many_enough_for_workers() -> None:
    few, many = Sums(3, 64, 9, 1.0, 0), Sums(3, 10_000, 9, 1.0, 0)
    assert few.batches_at_once(32) == 1  # a 16th of the images is less than a batch
    assert many.batches_at_once(32) == 2  # 576 columns
    assert Sums(3, 10_000, 1, 1.0, 0).batches_at_once(32) == 8  # 512 columns would be 16
    assert Sums(3, 10_000, 1, 1.0, 0, as_factor=True).batches_at_once(32) == 1


@pytest.mark.parametrize("as_matrix", [True, False])
def test_parts_add_up(as_matrix: bool) -> None:
    rng = torch.Generator().manual_seed(1)
    columns, residuals = torch.randn(700, 12, generator=rng), torch.randn(12, generator=rng)
    sums = Sums(700, 6, 2, 1.0, 0, as_factor=not as_matrix)
    for first in (0, 4, 8):
        batches = [(columns[:, place : place + 2], residuals[place : place + 2]) for place in (first, first + 2)]
        sums.add(Part.of(batches, probes=2, as_matrix=as_matrix))
    assert sums.images == 6
    found = sums.sensitivity()
    matrix = found.matrix if found.factor is None else found.factor @ found.factor.T
    assert matrix is not None
    np.testing.assert_allclose(matrix, columns @ columns.T / 6, atol=1e-5)
    np.testing.assert_allclose(found.linear, columns @ residuals / 6, atol=1e-5)
    assert found.offset == pytest.approx(float(residuals.square().sum()) / 12)
