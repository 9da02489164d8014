"""Networks are evaluated beside a reference, which runs once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.compression.network import inference
from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.compression.network.paired_evaluation import PairedEvaluation


class Counted(nn.Linear):
    """Counts its calls."""

    calls = 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(inputs)


@pytest.fixture
def networks() -> tuple[Counted, nn.Linear, nn.Linear]:
    torch.manual_seed(0)
    return Counted(4, 3), nn.Linear(4, 3), nn.Linear(4, 3)


def images(count: int, seed: int) -> Data:
    drawn = torch.Generator().manual_seed(seed)
    return Data.from_tensors(torch.randn(count, 4, generator=drawn), torch.randint(3, (count,), generator=drawn))


@pytest.mark.parametrize("fits", [True, False])
def test_the_reference_runs_once_if_its_outputs_fit(
    networks: tuple[Counted, nn.Linear, nn.Linear], fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not fits:
        monkeypatch.setattr(inference, "_MOST_KEPT", 10)
    reference, *others = networks
    sets = images(20, 1), images(30, 2)
    beside = PairedEvaluation(reference, *sets, CROSS_ENTROPY, None)
    for model in others:
        of_calibration, of_test = beside(model)
        assert of_test is not None
        for data, (before, after) in zip(sets, (of_calibration, of_test), strict=True):
            calls = reference.calls
            assert before == evaluate(reference, data, loss=CROSS_ENTROPY)
            assert after == evaluate(model, data, loss=CROSS_ENTROPY, reference=reference)
            assert after.divergence is not None
            assert after.divergence > 0.0
            reference.calls = calls
    # One batch of each set; without its outputs, once more for every network.
    assert reference.calls == (2 if fits else 6)


def test_progress_counts_the_images_of_both(networks: tuple[Counted, nn.Linear, nn.Linear]) -> None:
    reference, first, second = networks
    beside, told = PairedEvaluation(reference, images(20, 1), images(30, 2), CROSS_ENTROPY, None), []
    for model in (first, second):
        beside(model, lambda done, total: told.append((done, total)))
    assert told == [(20, 100), (40, 100), (70, 100), (100, 100), (20, 50), (50, 50)]


def test_there_may_be_no_test_images(networks: tuple[Counted, nn.Linear, nn.Linear]) -> None:
    reference, model, _ = networks
    (before, after), of_test = PairedEvaluation(reference, images(20, 1), None, CROSS_ENTROPY, None)(model)
    assert of_test is None
    assert before.divergence is None
    assert after.divergence is not None
