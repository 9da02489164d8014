"""The smallest network whose accuracy falls by no more than so much."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.compression.network.losses import CROSS_ENTROPY, SquaredError
from qubo_dnn.compression.rewriting.held_out import Judgement
from qubo_dnn.compression.search.accuracy_target import smallest_within
from qubo_dnn.compression.search.search import Search
from qubo_dnn.compression.search import accuracy_target as target
from qubo_dnn.compression.task.budgets import BOPS, TaskBudget
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.errors import BudgetError, OptionError

SETTINGS = {"limit": float("inf"), "rounds": 1, "rerank": 1}


class Accurate:
    """Networks of at least so many stored bits lose 1 %, and others 20 %; the network as given none."""

    def __init__(self, search: Search, bits: float, monkeypatch: pytest.MonkeyPatch) -> None:
        self.search, self.bits = search, bits
        evaluator = search.evaluator

        def carry_out(plan: Any) -> Any:
            attempt = evaluator(plan)
            attempt.network.stored = search.task.stored_bits(plan)
            return attempt

        search.evaluator = carry_out  # type: ignore[assignment]  # a function in place of an object to be called
        search.evaluator.model = evaluator.model
        for name in ("candidates", "data", "judge"):
            setattr(search.evaluator, name, getattr(evaluator, name))
        monkeypatch.setattr(target, "evaluate", self.evaluate)

    def evaluate(self, network: Any, *_: object, **__: object) -> Any:
        stored = getattr(network, "stored", None)
        return SimpleNamespace(accuracy=0.95 if stored is None else 0.94 if stored >= self.bits else 0.75)


def smallest(search: Search, drop: float, tiny: Any, loss: Any = CROSS_ENTROPY) -> Any:
    return smallest_within(search, drop, tiny.images(20, seed=5), loss)


@pytest.mark.parametrize("bits", [300, 450, 600, 900])
def test_is_found_to_within_a_unit(tiny: Any, monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    """Widths of one unit are 16 to 18 bits apart, so that sizes are at most that far apart."""
    search = tiny.search(**SETTINGS)
    Accurate(search, bits, monkeypatch)
    found = smallest(search, 0.02, tiny)
    assert bits <= found.task.stored_bits(found.attempt.plan) <= bits + 36
    assert tiny.listener.stages.count("measure") == 1


@pytest.mark.parametrize("drop", [0.1, 0.3])
def test_really_is_as_accurate(tiny: Any, drop: float) -> None:
    search, data = tiny.search(**SETTINGS), tiny.images(20, seed=5)
    found = smallest(search, drop, tiny)
    reference, accuracy = (evaluate(network, data).accuracy for network in (tiny.network(), found.attempt.network))
    assert accuracy >= reference - drop - 1e-12
    task = search.task
    assert found.task.stored_bits(found.attempt.plan) < 0.6 * task.stored_bits(task.plan(np.full(7, 5)))


def test_a_drop_of_exactly_so_much_holds(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """0.8 - 0.1 is a little more than 0.7 in floating point."""
    Runs(monkeypatch, [0.7], reference=0.8)
    assert smallest(tiny.search(**SETTINGS), 0.1, tiny).attempt.network.accuracy == 0.7


def test_the_smallest_network_of_all_may_do(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    search = tiny.search(**SETTINGS)
    Accurate(search, 0, monkeypatch)
    found = smallest(search, 0.02, tiny)
    assert found.task.stored_bits(found.attempt.plan) == search.task.overhead + search.task.cost[:, 0].sum()


def test_not_even_a_network_of_any_size_may_do(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    search = tiny.search(**SETTINGS)
    Accurate(search, 10**6, monkeypatch)
    with pytest.raises(
        BudgetError, match=r"even without a limit .* loses more than 2 points of accuracy on the 20 held-out"
    ):
        smallest(search, 0.02, tiny)
    assert "solve" not in tiny.listener.stages


@pytest.mark.parametrize("options", [(7, 8), (8,)])
def test_options_of_almost_one_size(tiny: Any, monkeypatch: pytest.MonkeyPatch, options: tuple[int, ...]) -> None:
    """Half the largest size is below the smallest."""
    search = tiny.search(options=bit_widths(*options), **SETTINGS)
    Accurate(search, 0, monkeypatch)
    found = smallest(search, 0.02, tiny)
    smallest_plan = search.task.plan(np.zeros(7, np.intp))
    assert found.attempt.plan == smallest_plan


def test_of_a_formulation_that_needs_more_than_the_smallest_size(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The paper's Hamiltonian counts scales and offsets of all filters, pruned or not."""
    search = tiny.search(formulation="aqc-pruning-quantization", options=bit_widths(*range(9)), **SETTINGS)
    Accurate(search, 0, monkeypatch)
    found = smallest(search, 0.02, tiny)
    assert found.task.stored_bits(found.attempt.plan) <= 78 + 7 * 17 + 1.02 * 8


def test_keeps_other_budgets(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than three channels of the seven may be kept."""
    search = tiny.search(**SETTINGS)
    cost = np.tile([0.0, 1.0, 1.0, 1.0, 1.0, 1.0], (7, 1))
    kept = TaskBudget(name=BOPS, kind="bops", text="3", cost=cost, overhead=0, limit=3.0, scale=1.0, unit="channels")
    search.task = replace(search.task, budgets=(kept,))
    Accurate(search, 250, monkeypatch)
    found = smallest(search, 0.02, tiny)
    choice = found.task.choice(found.attempt.plan)
    assert 0 < (choice > 0).sum() <= 3
    assert found.task.stored_bits(found.attempt.plan) >= 250


class Runs:
    """Searches in full that end in networks of these accuracies."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        accuracies: list[float],
        interrupted: bool = False,
        reference: float = 0.95,
    ) -> None:
        self.limits: list[float] = []
        rest = iter(accuracies)

        def run(search: Search) -> Any:
            self.limits.append(search.task.limit)
            network = SimpleNamespace(accuracy=next(rest))
            return SimpleNamespace(attempt=SimpleNamespace(network=network), interrupted=interrupted)

        def evaluate(network: Any, *_: object, **__: object) -> Any:
            return SimpleNamespace(accuracy=getattr(network, "accuracy", reference))

        monkeypatch.setattr(Search, "run", run)
        monkeypatch.setattr(target, "evaluate", evaluate)


def test_sizes_are_bracketed_to_within_a_hundredth(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them hold."""
    runs = Runs(monkeypatch, [0.95])
    search = tiny.search(**SETTINGS)
    smallest(search, 0.02, tiny)
    least = search.task.overhead + search.task.cost[:, 0].sum()
    assert least <= runs.limits[0] <= 1.01 * least


def test_plans_that_exceed_the_size_tried_do_not_hold(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Local descent that always ends in the largest network has shown nothing of smaller ones."""
    runs, search = Runs(monkeypatch, [0.95]), tiny.search(**SETTINGS)
    largest = search.task.plan(np.full(7, 5))
    monkeypatch.setattr(search, "quick_plan", lambda _: largest)
    smallest(search, 0.02, tiny)
    most = search.task.stored_bits(largest)
    assert 0.99 * most <= runs.limits[0] <= most


def test_a_little_more_is_given_where_the_backend_falls_short(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(monkeypatch, [0.5, 0.5, 0.94])
    found = smallest(tiny.search(**SETTINGS), 0.02, tiny)
    assert found.attempt.network.accuracy == 0.94
    first = runs.limits[0]
    assert runs.limits == pytest.approx([first, 1.02 * first, 1.02**2 * first])


def test_a_backend_that_always_falls_short_is_told(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(monkeypatch, [0.5] * 99)
    with pytest.raises(BudgetError, match="backend 'neal' found no network within 2 points"):
        smallest(tiny.search(**SETTINGS), 0.02, tiny)
    assert len(runs.limits) == 6


def test_interrupted_short_of_it_does_not_go_on(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(monkeypatch, [0.5] * 99, interrupted=True)
    with pytest.raises(KeyboardInterrupt):
        smallest(tiny.search(**SETTINGS), 0.02, tiny)
    assert len(runs.limits) == 1


def test_progress_counts_the_bracketing(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 113 to 1157 bits, to within a hundredth: 2^8 hundredths in the logarithm."""
    search = tiny.search(script=lambda _: Judgement(np.ones(1)), **SETTINGS)
    Accurate(search, 450, monkeypatch)
    smallest(search, 0.02, tiny)
    bracketed = [entry[1:] for entry in tiny.listener.heard if entry[0] == "bracket the size"]
    assert bracketed == list(itertools.zip_longest(range(1, 9), (), fillvalue=8))


@pytest.mark.parametrize("drop", [0.0, 1.0, -0.1, float("nan")])
def test_a_drop_out_of_range_is_refused(tiny: Any, drop: float) -> None:
    with pytest.raises(OptionError, match="accuracy drop must be within 0 and 1"):
        smallest(tiny.search(**SETTINGS), drop, tiny)


def test_a_loss_without_accuracy_is_refused(tiny: Any) -> None:
    with pytest.raises(OptionError, match="squared-error has no accuracy"):
        smallest(tiny.search(**SETTINGS), 0.1, tiny, SquaredError())
