"""The benchmark compares like with like."""

from __future__ import annotations

import pytest

from bench.formulations import models
from bench.formulations.__main__ import check, rows
from qubo_dnn.errors import BackendFailedError


@pytest.mark.parametrize("name", models.MODELS)
def test_both_ways_give_the_same_biases(name: str) -> None:
    check(name)


def test_a_difference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "PENALTY", 100.0)
    ours, _, sizes = models.MODELS["travelling-salesman"]
    monkeypatch.setitem(models.MODELS, "travelling-salesman", (ours, models.qap_pyqubo, sizes))
    with pytest.raises(BackendFailedError, match="differ"):
        check("travelling-salesman")


def test_a_row_states_the_size_and_the_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs, _ = models.MODELS["knapsack"]
    monkeypatch.setattr(models, "MODELS", {"knapsack": (ours, theirs, (8,))})
    monkeypatch.setattr("bench.formulations.__main__.MODELS", models.MODELS)
    (row,) = rows(1)
    assert row["times_faster"] == row["pyqubo_seconds"] / row["seconds"]
    assert (row["size"], row["variables"]) == (8, 16)
