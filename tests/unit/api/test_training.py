"""Networks that `compress` gives are trained on their grids, and come back with true figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import qubo_dnn as qd
from qubo_dnn.api.compressed_network import CompressedNetwork
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.export.checking import session
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence
from qubo_dnn.errors import ModelError

GENERATOR = torch.Generator().manual_seed(0)
IMAGES, TEST_IMAGES = torch.randn(2, 48, 2, 4, 4, generator=GENERATOR)
QUICK: dict[str, Any] = {"backend": "tabu", "rounds": 1, "progress": False}


def labels_of(images: Tensor) -> Tensor:
    return (images.mean((1, 2, 3)) > 0).long()


def metric(outputs: Tensor, targets: Tensor | None) -> float:
    assert targets is not None
    return float((outputs.argmax(1) == targets).double().mean())


def network() -> nn.Sequential:
    """Trained for a moment, so that there is something to lose."""
    torch.manual_seed(0)
    first = (nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.SiLU())
    made = nn.Sequential(*first, nn.Conv2d(6, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))
    train_(made, 40)
    return made.eval()


def train_(module: nn.Module, steps: int) -> nn.Module:
    optimizer = torch.optim.Adam(module.train().parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(module(IMAGES), labels_of(IMAGES)))
        optimizer.step()
    return module


def compressed(budget: str = "2.5bits:weights", **settings: Any) -> CompressedNetwork:
    test = [(TEST_IMAGES, labels_of(TEST_IMAGES))]
    given = {"targets": labels_of(IMAGES), "test": test, "metric": metric, **QUICK, **settings}
    return qd.compress(network(), IMAGES, budget, **given)


@pytest.fixture(scope="module")
def smaller() -> CompressedNetwork:
    return compressed()


@pytest.fixture(scope="module")
def module(smaller: CompressedNetwork) -> nn.Module:
    return train_(smaller.to_qat(), 40)


@pytest.fixture(scope="module")
def trained(smaller: CompressedNetwork, module: nn.Module) -> CompressedNetwork:
    return smaller.from_qat(module)


def test_the_trained_network_goes_through_its_file_bit_for_bit(
    smaller: CompressedNetwork, module: nn.Module, trained: CompressedNetwork, tmp_path: Path
) -> None:
    outputs = module.eval()(TEST_IMAGES)
    assert torch.equal(trained.model.eval()(TEST_IMAGES), outputs)
    assert not torch.equal(smaller.model(TEST_IMAGES), outputs)
    loaded = network()
    qd.load_compressed_(loaded, trained.save(tmp_path / "out") / "model.safetensors")
    assert torch.equal(loaded(TEST_IMAGES), outputs)
    stored = json.loads((tmp_path / "out" / "result.json").read_text())
    assert stored["compressed"] == trained.to_dict()["compressed"]
    assert stored["compressed"]["bytes"] == smaller.to_dict()["compressed"]["bytes"]


def test_the_weights_of_an_onnx_file_are_those_of_training(tmp_path: Path) -> None:
    """A unit matrix shows the weights themselves."""
    given, images = nn.Sequential(nn.Linear(8, 6, bias=False)), torch.randn(32, 8)
    done = qd.compress(given, images, "5bits:weights", granularity="channel", **QUICK)
    module = done.to_qat()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    torch.autograd.backward((module(images) - 2.0 * given(images).detach()).square().mean())
    optimizer.step()
    trained = done.from_qat(module)
    trained.to_onnx(tmp_path / "a.onnx")
    running = session(tmp_path / "a.onnx")
    (shown,) = running.run(None, {running.get_inputs()[0].name: torch.eye(8).numpy()})
    assert torch.equal(torch.from_numpy(shown).T, trained.model.get_parameter("0.weight"))
    assert not torch.equal(trained.model.get_parameter("0.weight"), done.model.get_parameter("0.weight"))


def test_what_depends_on_the_network_is_measured_anew(smaller: CompressedNetwork, trained: CompressedNetwork) -> None:
    before, after = smaller.to_dict(), trained.to_dict()
    test = Data.from_tensors(TEST_IMAGES, labels_of(TEST_IMAGES))
    found = evaluate(trained.model, test, reference=trained.original)
    assert after["compressed"]["accuracy"] == after["compressed"]["metric"] == found.accuracy
    assert after["compressed"]["loss"] == found.loss != before["compressed"]["loss"]
    assert after["compressed"]["divergence"] == found.divergence
    assert after["reference"] == before["reference"]
    held_out = HeldOutDivergence(trained.original, trained.compression.held_out, CROSS_ENTROPY)(trained.model)
    assert after["held_out_divergence"]["recovered"] == held_out.divergence
    assert after["held_out_divergence"]["bare"] == before["held_out_divergence"]["bare"]
    calibration = evaluate(trained.model, Data.from_tensors(IMAGES, labels_of(IMAGES)))
    assert after["calibration_loss_increase"] == pytest.approx(
        calibration.loss - smaller.compression.calibration[0].loss  # type: ignore[operator]  # there are targets
    )
    assert after["calibration_divergence"] != before["calibration_divergence"]


def test_what_is_no_longer_true_is_absent_and_the_rest_stays(
    smaller: CompressedNetwork, trained: CompressedNetwork
) -> None:
    before, after = smaller.to_dict(), trained.to_dict()
    assert before["predicted_loss_increase"] is not None
    assert (after["predicted_loss_increase"], after["held_out_divergence"]["limit"]) == (None, None)
    shares = ("predicted_share", "measured_share")
    for old, new in zip(before["layers"], after["layers"], strict=True):
        assert None not in [old[name] for name in shares]
        assert {**old, **dict.fromkeys(shares)} == new
    assert after["recovery"] == [*before["recovery"], "training"]
    assert trained.plan == smaller.plan
    for name in ("budgets", "certificate", "backend", "rounds", "coverage", "left_alone", "network"):
        assert after[name] == before[name]
    assert {**before["seconds"], "total": 0}.keys() < after["seconds"].keys()


def test_training_goes_on_after_the_first(trained: CompressedNetwork) -> None:
    again = trained.from_qat(train_(trained.to_qat(), 2))
    assert again.to_dict()["recovery"] == trained.to_dict()["recovery"]
    assert again.to_dict()["compressed"]["loss"] != trained.to_dict()["compressed"]["loss"]


def test_without_test_images_there_are_no_test_figures(smaller: CompressedNetwork, module: nn.Module) -> None:
    done = smaller.compression.from_qat(module, smaller.images)
    assert done.test is None


def test_pruned_channels_can_still_be_removed() -> None:
    """Their biases and shifts stay zero: as constants, they would meet the padding of the next layer."""
    done = compressed("95%:weights", options="0,32", skip=["3", "6"])
    assert done.compression.removal is not None
    lost = done.compression.removal.channels["0"]
    assert lost
    module = train_(done.to_qat(), 20)
    trained = done.from_qat(module)
    assert trained.compression.removal is not None
    assert trained.compression.removal.channels["0"] == lost
    torch.testing.assert_close(trained.smaller.eval()(IMAGES), module.eval()(IMAGES))
    assert not torch.equal(trained.smaller(IMAGES), done.smaller(IMAGES))
    assert trained.to_dict()["removal"]["macs"] == done.to_dict()["removal"]["macs"]


def test_a_warning_about_the_network_before_training_is_gone(
    smaller: CompressedNetwork, module: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "qubo_dnn.compression.search.plan_evaluator.Trial.warning", lambda trial: trial.limit and "diverged"
    )
    monkeypatch.setitem(vars(smaller.compression), "warnings", ("left alone", "diverged"))
    assert smaller.from_qat(module).compression.warnings == ("left alone",)


def test_the_module_of_another_compression_is_refused(smaller: CompressedNetwork) -> None:
    one, other = (compressed(budget, options="2,4,8") for budget in ("5bits:weights", "7bits:weights"))
    with pytest.raises(ModelError, match=r"not one that to_qat of this compression has made: .* of another plan"):
        one.from_qat(other.to_qat())
    with pytest.raises(ModelError, match="the keys are not the model's"):
        smaller.from_qat(smaller.model)
