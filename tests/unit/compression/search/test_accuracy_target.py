"""The smallest network whose accuracy falls by no more than a given share."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from qubo_dnn.compression.losses.losses import CROSS_ENTROPY, SquaredError
from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.compression.search import accuracy_target
from qubo_dnn.compression.search.accuracy_target import AccuracyTarget, SizesOf, smallest_within
from qubo_dnn.compression.search.plan_evaluator import AppliedPlan
from qubo_dnn.compression.task.budgets import BOPS, TaskBudget
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.errors import BudgetError, OptionError
from tests.unit.compression.conftest import Tiny

SETTINGS: dict[str, Any] = {"limit": float("inf"), "rounds": 1, "rerank": 1}
LEAST, MOST = 113.0, 1157.0


class Sizes:
    """Networks of every size; `run` gives networks of these sizes, or of the limit where none are left."""

    def __init__(self, runs: tuple[float, ...] = (), interrupted: bool = False) -> None:
        self.limits: list[float] = []
        self.runs, self.interrupted = list(runs), interrupted

    def sizes(self) -> tuple[float, float]:
        return LEAST, MOST

    def quick(self, limit: float) -> Any:
        return SimpleNamespace(bits=limit)

    def run(self, limit: float) -> Any:
        self.limits.append(limit)
        network = SimpleNamespace(bits=self.runs.pop(0) if self.runs else limit)
        solution = SimpleNamespace(backend="neal")
        return SimpleNamespace(
            applied=SimpleNamespace(network=network), interrupted=self.interrupted, solution=solution
        )


class Target:
    """Fake networks of at least so many bits are accurate enough, and all real ones are."""

    def __init__(self, bits: float) -> None:
        self.bits = bits

    def is_met(self, network: Any) -> bool:
        return bool(getattr(network, "bits", np.inf) >= self.bits)

    def __str__(self) -> str:
        return "2 points"


def found_limits(search: Any, bits: float, progress: Callable[[int, int], None] = lambda *_: None) -> list[float]:
    smallest_within(search, Target(bits), progress)  # type: ignore[arg-type]  # a target without a network
    return list(search.limits)


@pytest.mark.parametrize("bits", [LEAST, 114, 300, 450.5, 900, MOST])
def test_sizes_are_bracketed_to_within_a_hundredth(bits: float) -> None:
    (limit,) = found_limits(Sizes(), bits)
    assert bits <= limit <= 1.01 * bits


def test_not_even_a_network_of_any_size_may_do() -> None:
    search = Sizes()
    with pytest.raises(BudgetError, match="even without a limit of size the network loses more than 2 points"):
        found_limits(search, MOST + 1)
    assert search.limits == []


def test_a_search_without_quick_plans_below_a_size() -> None:
    """As of a formulation that needs more than the smallest size."""

    class Large(Sizes):
        def quick(self, limit: float) -> Any:
            return super().quick(limit) if limit >= 500 else None

    (limit,) = found_limits(Large(), 300)
    assert 500 <= limit <= 505


def test_a_little_more_is_given_where_the_backend_falls_short() -> None:
    limits = found_limits(Sizes(runs=(10, 20, 999)), 300)
    assert limits == pytest.approx([limits[0], 1.02 * limits[0], 1.02**2 * limits[0]])


def test_a_backend_that_always_falls_short_is_told() -> None:
    search = Sizes(runs=(10,) * 99)
    with pytest.raises(BudgetError, match="backend 'neal' found no network that loses at most 2 points"):
        found_limits(search, 300)
    assert len(search.limits) == 6


def test_interrupted_short_of_it_does_not_go_on() -> None:
    search = Sizes(runs=(10,) * 99, interrupted=True)
    with pytest.raises(KeyboardInterrupt):
        found_limits(search, 300)
    assert len(search.limits) == 1


def test_interrupted_with_a_network_that_will_do() -> None:
    assert len(found_limits(Sizes(interrupted=True), 300)) == 1


def test_progress_counts_the_bracketing() -> None:
    """From 113 to 1157 bits, to within a hundredth: 2^8 hundredths in the logarithm."""
    seen: list[tuple[int, int]] = []
    found_limits(Sizes(), 450, lambda *step: seen.append(step))
    assert seen == list(itertools.zip_longest(range(1, 9), (), fillvalue=8))


class TestSizesOf:
    """A search of a real network."""

    def test_measures_and_tunes_once(self, tiny: Tiny) -> None:
        sized = SizesOf(tiny.search(**SETTINGS))
        assert sized.sizes() == (LEAST, MOST)
        sized.quick(450.0)
        sized.quick(600.0)
        assert [entry[1] for entry in tiny.listener.heard if entry[0] == "tune"] == [1, 2]
        found = sized.run(450.0)
        assert found.task.stored_bits(found.applied.plan) <= 450
        assert tiny.listener.stages.count("measure") == 1

    def test_quick_plans_are_within_all_budgets(self, tiny: Tiny) -> None:
        """No more than three channels of the seven may be kept."""
        cost = np.tile([0.0, 1.0, 1.0, 1.0, 1.0, 1.0], (7, 1))
        kept = TaskBudget(
            name=BOPS, kind="bops", text="3", cost=cost, overhead=0, limit=3.0, scale=1.0, unit="channels"
        )
        search = tiny.search(budgets=(kept,), **SETTINGS)
        plans, evaluator = [], search.evaluator

        def spy(plan: Plan) -> AppliedPlan:
            plans.append(plan)
            return evaluator(plan)

        search.evaluator = spy  # type: ignore[assignment]  # a spy
        assert SizesOf(search).quick(450.0) is not None
        assert search.task.stored_bits(plans[-1]) <= 450
        assert 0 < (search.task.choice(plans[-1]) > 0).sum() <= 3

    def test_quick_plans_beyond_the_limit_are_none(self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
        """Local descent that always ends in the largest network has shown nothing of smaller ones."""
        search = tiny.search(**SETTINGS)
        sized, largest = SizesOf(search), search.task.plan(np.full(7, 5))
        monkeypatch.setattr(search.tuner, "quick_plan", lambda _: largest)
        assert sized.quick(MOST - 1) is None
        assert sized.quick(MOST) is not None

    def test_a_formulation_may_need_more_than_the_smallest_size(self, tiny: Tiny) -> None:
        """The paper's Hamiltonian counts scales and offsets of all filters, pruned or not."""
        search = tiny.search(formulation="aqc-pruning-quantization", options=bit_widths(*range(9)), **SETTINGS)
        sized = SizesOf(search)
        assert sized.quick(sized.sizes()[0]) is None
        assert sized.quick(1.02 * (78 + 7 * 17)) is not None

    @pytest.mark.parametrize("options", [(7, 8), (8,)])
    def test_options_of_almost_one_size(self, tiny: Tiny, options: tuple[int, ...]) -> None:
        """Half the largest size is below the smallest."""
        search = tiny.search(options=bit_widths(*options), **SETTINGS)
        found = smallest_within(SizesOf(search), Target(0), lambda *_: None)  # type: ignore[arg-type]  # as above
        assert found.applied.plan == search.task.plan(np.zeros(7, np.intp))

    def test_really_is_as_accurate(self, tiny: Tiny) -> None:
        search, data = tiny.search(**SETTINGS), tiny.images(20, seed=5)
        target = AccuracyTarget(tiny.network(), 0.1, data, CROSS_ENTROPY)
        found = smallest_within(SizesOf(search), target, lambda *_: None)
        reference, accuracy = (evaluate(network, data).accuracy for network in (tiny.network(), found.applied.network))
        assert reference is not None
        assert accuracy is not None
        assert accuracy >= reference - 0.1 - 1e-12
        task = search.task
        assert found.task.stored_bits(found.applied.plan) < 0.6 * task.stored_bits(task.plan(np.full(7, 5)))


class TestTarget:
    def target(self, tiny: Tiny, drop: float, loss: Any = CROSS_ENTROPY) -> AccuracyTarget:
        return AccuracyTarget(tiny.network(), drop, tiny.images(20, seed=5), loss)

    def test_a_drop_of_exactly_so_much_is_allowed(self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
        """0.8 - 0.1 is a little more than 0.7 in floating point; networks are their accuracies here."""
        monkeypatch.setattr(accuracy_target, "evaluate", lambda network, *_, **__: SimpleNamespace(accuracy=network))
        target = AccuracyTarget(0.8, 0.1, tiny.images(20), CROSS_ENTROPY)  # type: ignore[arg-type]  # as above
        assert target.is_met(0.7)  # type: ignore[arg-type]  # as above
        assert not target.is_met(0.6999)  # type: ignore[arg-type]  # as above

    def test_says_what_may_be_lost(self, tiny: Tiny) -> None:
        assert str(self.target(tiny, 0.02)) == "2 points of accuracy on the 20 held-out images"

    @pytest.mark.parametrize("drop", [0.0, 1.0, -0.1, float("nan")])
    def test_a_drop_out_of_range_is_refused(self, tiny: Tiny, drop: float) -> None:
        with pytest.raises(OptionError, match="accuracy drop must be within 0 and 1"):
            self.target(tiny, drop)

    def test_a_loss_without_accuracy_is_refused(self, tiny: Tiny) -> None:
        with pytest.raises(OptionError, match="squared-error has no accuracy"):
            self.target(tiny, 0.1, SquaredError())
