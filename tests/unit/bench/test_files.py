from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.compression.files import fingerprint, replaced
from qubo_dnn.compression.data import Data
from qubo_dnn.errors import OutputError


def test_a_file_that_failed_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with suppress(KeyError), replaced(path) as file:
        file.write(b"half")
        raise KeyError
    assert path.read_text() == "old"
    with replaced(path) as file:
        file.write(b"new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"), replaced(tmp_path / "none" / "file"):
        pass


def test_a_fingerprint_sees_weights_tensors_images_and_labels(network: nn.Module, images: Data) -> None:
    extra = torch.zeros(3)
    first = fingerprint(network, [extra], images)
    assert first == fingerprint(network, [extra.clone()], images)
    others = {fingerprint(network, [extra + 1], images), fingerprint(network, [extra], images.subset(23, 0))}
    pixels, labels = next(images.batches(24))
    others.add(fingerprint(network, [extra], Data.from_tensors(pixels, (labels + 1) % 3)))
    with torch.no_grad():
        network.get_parameter("linear.weight")[0, 0] += 1e-3
    others.add(fingerprint(network, [extra], images))
    assert len(others | {first}) == 5
