"""How long runs are by default, and that limits that were asked for are kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from qubo_backends._pt.drive import drive
from qubo_backends._pt.elite import Elite
from qubo_backends._pt.ledger import Ledger
from qubo_backends._pt.sweep_limit import SweepLimit
from qubo_backends._shared.sampling import InterruptGuard


class Improving:
    """An engine whose best state is found after given sweeps, and that settles after others."""

    def __init__(self, improvements: Sequence[int] = (), settles: float = 0) -> None:
        self.elite, self.attempts, self.sweeps, self.sweeping, self.reached = Elite(1), 0, 0, 0.0, False
        self.elite.offer(np.zeros(1, np.int8), 0.0)
        self.ledger, self.found_by = Ledger(["sweeps"], 0.0), "sweeps"
        self._improvements, self._settles = improvements, settles

    @property
    def improved(self) -> int:
        return max((each for each in self._improvements if each <= self.sweeps), default=0)

    @property
    def settled(self) -> bool:
        return self.sweeps >= self._settles

    def advance(self, sweeps: int) -> None:
        self.sweeps += sweeps

    def report(self) -> dict[str, Any]:
        return {}


def swept(limit: SweepLimit, *engines: Improving) -> int:
    with InterruptGuard(None) as watch:
        drive(engines, limit, watch, lambda energy: energy, None)
    assert len({engine.sweeps for engine in engines}) == 1
    return engines[0].sweeps


class Failing(Improving):
    """An engine that fails at once."""

    def advance(self, sweeps: int) -> None:
        raise ArithmeticError(f"no sweep of {sweeps}")


def test_an_engine_that_fails_ends_the_run_of_the_others() -> None:
    other = Improving()
    with InterruptGuard(60.0) as watch, pytest.raises(ArithmeticError, match="no sweep"):
        drive([other, Failing()], SweepLimit.exactly(math.inf), watch, lambda energy: energy, None)
    assert watch.seconds < 30.0


def test_a_run_that_found_its_best_state_early_ends_after_the_usual_sweeps() -> None:
    assert swept(SweepLimit(1000, 50_000), Improving([3, 250])) == 1000


def test_a_run_doubles_while_it_improves() -> None:
    assert swept(SweepLimit(1000, 50_000), Improving([3, 251])) == 2000
    assert swept(SweepLimit(1000, 50_000), Improving([251, 900, 1100])) == 8000


def test_a_run_doubles_while_most_restarts_end_above_its_best_state() -> None:
    assert swept(SweepLimit(1000, 50_000), Improving(settles=3500)) == 4000


def test_one_ladder_that_goes_on_takes_the_others_along() -> None:
    assert swept(SweepLimit(1000, 50_000), Improving([900]), Improving([3])) == 4000


def test_no_run_exceeds_the_most_sweeps() -> None:
    assert swept(SweepLimit(1000, 5000), Improving(settles=math.inf)) == 5000


def test_sweeps_that_were_asked_for_are_exact() -> None:
    assert swept(SweepLimit.exactly(700), Improving([600], settles=math.inf)) == 700


def test_the_least_of_two_default_limits_gives_way() -> None:
    assert SweepLimit.default(999.5, 100.0) == SweepLimit(1000, 1000)
