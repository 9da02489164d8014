"""Metrics of the user: called with all outputs and targets, checked, and used for the target of a drop."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY, SquaredError
from qubo_dnn.compression.losses.metrics import Metric, load_metric
from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.compression.search.accuracy_target import AccuracyTarget
from qubo_dnn.errors import OptionError

OUTPUTS = torch.arange(12.0).view(6, 2)


def test_it_gets_all_outputs_and_targets_at_once() -> None:
    seen: list[tuple[Tensor, Tensor | None]] = []

    def largest(outputs: Tensor, targets: Tensor | None) -> float:
        seen.append((outputs, targets))
        return float(outputs.max())

    metric = Metric("largest", largest)
    found = evaluate(nn.Identity(), Data.from_tensors(OUTPUTS), 4, metric=metric)
    assert (found.metric, found.accuracy, found.loss) == (11.0, None, None)
    assert torch.equal(seen[0][0], OUTPUTS)
    assert seen[0][1] is None
    labels = torch.tensor([1, 0, 1, 1, 0, 1])
    labelled = evaluate(nn.Identity(), Data.from_tensors(OUTPUTS, labels), 4, metric=metric)
    assert labelled.accuracy == 4 / 6
    assert seen[1][1] is not None
    assert torch.equal(seen[1][1], labels)


def fails(*_: Any) -> float:
    raise KeyError("no such key")


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (fails, "the metric mine fails: KeyError"),
        (lambda *_: "good", "the metric mine gives str, not a number"),
        (lambda *_: None, "the metric mine gives NoneType, not a number"),
        (lambda outputs, _: outputs, "the metric mine gives Tensor, not a number"),
        (lambda *_: math.nan, "the metric mine is not finite"),
    ],
)
def test_what_is_no_number_is_refused(function: Any, text: str) -> None:
    with pytest.raises(OptionError, match=text):
        Metric("mine", function)(OUTPUTS, Data.from_tensors(OUTPUTS))


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(OptionError, match=r"math:pi: is float, not a function of \(outputs, targets\)"):
        load_metric("math:pi")


def test_the_drop_of_a_metric_is_in_its_own_unit() -> None:
    metric = Metric("mean", lambda outputs, _: float(outputs.mean()))
    target = AccuracyTarget(nn.Identity(), 2.0, Data.from_tensors(OUTPUTS), SquaredError(), metric)
    assert target.least == pytest.approx(5.5 - 2.0)
    lower = nn.Linear(2, 2)
    for shift, met in ((-1.9, True), (-2.1, False), (3.0, True)):
        with torch.no_grad():
            lower.weight.copy_(torch.eye(2))
            lower.bias.fill_(shift)
        assert target.is_met(lower) == met
    assert str(target) == "2 of mean on the 6 held-out images"
    with pytest.raises(OptionError, match="drop of the metric must be a number > 0, not -1"):
        AccuracyTarget(nn.Identity(), -1.0, Data.from_tensors(OUTPUTS), SquaredError(), metric)


def test_without_labels_there_is_no_accuracy_to_drop() -> None:
    with pytest.raises(OptionError, match="needs labels, or a metric that does without them"):
        AccuracyTarget(nn.Identity(), 0.1, Data.from_tensors(OUTPUTS), CROSS_ENTROPY)
