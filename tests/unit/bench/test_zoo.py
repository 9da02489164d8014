"""The network that benchmarks train, and its images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from bench.zoo import vgg as module
from bench.zoo.train_vgg import augment, train
from bench.zoo.vgg import TRAINING, Vgg, load_images
from qubo_dnn.compression.data.dataset import Data


def test_images_of_training_calibration_and_test_are_different(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = torch.arange(4096.0).reshape(-1, 1, 1, 1)
    loaded = (nn.Identity(), Data.from_tensors(numbers), Data.from_tensors(numbers + 4096))
    monkeypatch.setattr(module, "load", lambda _: loaded)
    _, *parts = load_images(Path("data"))
    assert [len(part) for part in parts] == [TRAINING, 1024, 4096]
    every = torch.cat([inputs.only for part in parts for inputs, _ in part.batches()])
    assert sorted(every.flatten().tolist()) == list(range(8192))


def test_equal_seeds_train_equal_networks() -> None:
    torch.manual_seed(0)
    images = Data.from_tensors(torch.randn(8, 3, 8, 8))
    teacher = Vgg((4, 4)).eval()
    one, same, other = (train(teacher, images, epochs=1, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_augmented_images_are_mixtures_of_moved_ones() -> None:
    torch.manual_seed(0)
    images = torch.rand(6, 3, 16, 16)
    mixed = augment(images)
    assert mixed.shape == images.shape
    assert 0.0 <= float(mixed.min()) <= float(mixed.max()) <= 1.0
    assert not torch.equal(mixed, augment(images))
