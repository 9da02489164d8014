import subprocess
import sys
from hashlib import sha256
from importlib.resources import files

import pytest
import torch

from qubo_dnn import zoo
from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.compression.network.loading import check_fit
from qubo_dnn.errors import ModelError
from qubo_dnn.zoo.mnist_cnn import MnistCnn, load_splits

WEIGHTS = files("qubo_dnn.zoo") / "mnist_cnn.safetensors"


def test_shipped_network_is_accurate_on_its_test_split() -> None:
    entry = zoo.load("mnist-cnn")
    accuracy = evaluate(entry.module, entry.test).accuracy
    assert accuracy is not None
    assert accuracy >= 0.97


def test_shipped_network_is_ready_and_fits_its_data() -> None:
    entry = zoo.load("mnist-cnn")
    assert not any(module.training for module in entry.module.modules())
    assert entry.test.shape == entry.calibration.shape == (1, 28, 28)
    check_fit(entry.module, entry.calibration)


def test_every_load_gives_a_network_of_its_own() -> None:
    first, second = zoo.load("mnist-cnn").module, zoo.load("mnist-cnn").module
    with torch.no_grad():
        next(first.parameters()).zero_()
    assert next(second.parameters()).abs().sum() > 0


def test_file_is_small_and_holds_float32() -> None:
    size = len(WEIGHTS.read_bytes())
    weights = sum(parameter.numel() for parameter in MnistCnn().parameters())
    assert 4 * weights < size <= 500_000


def test_splits_are_balanced_and_share_no_image() -> None:
    splits = load_splits()
    parts = [splits.train, splits.calibration, splits.test]
    targets = [part.targets for part in parts if part.targets is not None]
    assert [labels.bincount().tolist() for labels in targets] == [[300] * 10, [100] * 10, [100] * 10]
    images = [image.numpy().tobytes() for part in parts for batch, _ in part.batches() for image in batch.only]
    assert len(set(images)) == len(images) == 5000


def test_test_split_is_the_one_the_network_was_not_trained_on() -> None:
    """Another order of the images would quietly test on training images."""
    images = next(load_splits().test.batches(1000))[0].only
    digest = sha256((images * 255).round().to(torch.uint8).numpy().tobytes()).hexdigest()
    assert digest == "52ff9f9bf5fe0b5c14bb907a487130dadee6d5a25d805e6ad592daa43485b16d"


def test_unknown_name() -> None:
    assert zoo.zoo_names() == ("mnist-cnn",)
    with pytest.raises(ModelError, match=r"^unknown zoo network 'mnist_cnn'; did you mean 'mnist-cnn'\?$"):
        zoo.load("mnist_cnn")


def test_importing_the_zoo_does_not_import_torch() -> None:
    code = "import sys, qubo_dnn.zoo; qubo_dnn.zoo.zoo_names(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
