"""The clock keeps what was known when, and finds out who claims what is not so."""

from __future__ import annotations

import dimod
import pytest

from bench.solvers.clock import CpuClock, best_at, time_to
from bench.solvers.instance import BenchmarkInstance, BestKnown, gap
from bench.solvers.peers.peer import calls
from qubo_dnn.errors import BackendFailedError

BQM = dimod.BinaryQuadraticModel({0: 1.0, 1: -2.0}, {(0, 1): 3.0}, 0.5, dimod.BINARY)


class Time:
    """CPU seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def test_only_improvements_are_noted_with_their_time(time: Time) -> None:
    clock = CpuClock(BQM, 2.0, now=time)
    for now, energy in ((0.5, 0.5), (0.75, 1.5), (1.0, -1.5), (1.25, -1.5)):
        time.now = 100.0 + now
        clock.report(energy, {0: 0, 1: int(energy < 0)})
    assert clock.trace == [(0.5, 0.5), (1.0, -1.5)]
    assert clock.left == 0.75
    assert not clock.over
    clock.check("it")
    time.now = 102.5
    assert clock.over
    assert clock.left == 0.0
    assert not clock.reached


def test_a_target_ends_the_run(time: Time) -> None:
    clock = CpuClock(BQM, 2.0, target=-1.5, now=time)
    clock.report(0.5, {0: 0, 1: 0})
    assert not clock.over
    clock.report(-1.5 + 1e-12, {0: 0, 1: 1})
    assert clock.reached
    assert clock.over


def test_a_sample_may_come_after_its_energy(time: Time) -> None:
    clock = CpuClock(BQM, 2.0, now=time)
    clock.report(0.5, {0: 0, 1: 0})
    clock.report(-1.5)
    with pytest.raises(BackendFailedError, match="it gave no sample"):
        clock.check("it")
    time.now = 101.0
    clock.see(dimod.SampleSet.from_samples_bqm([{0: 1, 1: 1}, {0: 0, 1: 1}], BQM))
    clock.check("it")
    assert clock.trace == [(0.0, 0.5), (0.0, -1.5)]
    assert clock.sample == {0: 0, 1: 1}


def test_an_energy_that_no_sample_has_is_found_out(time: Time) -> None:
    clock = CpuClock(BQM, 2.0, now=time)
    clock.report(-2.0, {0: 0, 1: 1})
    with pytest.raises(BackendFailedError, match=r"it claims the energy -2\.0, but its best sample has -1\.5"):
        clock.check("it")
    clock = CpuClock(BQM, 2.0, now=time)
    clock.report(-2.0)
    clock.see(dimod.SampleSet.from_samples_bqm([{0: 0, 1: 1}], BQM))
    with pytest.raises(BackendFailedError, match="gave no sample"):
        clock.check("it")


def test_flips_are_counted_in_the_largest_call(time: Time) -> None:
    clock = CpuClock(BQM, 20.0, now=time)
    assert clock.flips_per_second is None
    for seconds, flips in ((1.0, 10), (2.0, 40), (8.0, 30)):
        time.now += seconds
        clock.attempted(flips)
    assert clock.flips_per_second == 20.0


def test_a_trace_is_read_up_to_a_moment() -> None:
    trace = [(0.5, 3.0), (1.0, 1.0), (2.5, -4.0)]
    assert best_at(trace, 0.4) is None
    assert best_at(trace, 0.5) == 3.0
    assert best_at(trace, 2.0) == 1.0
    assert time_to(trace, 1.0, 2.0) == 1.0
    assert time_to(trace, 2.0, 2.0) == 1.0
    assert time_to(trace, -4.0, 2.0) is None
    assert time_to(trace, -4.0, 3.0) == 2.5


@pytest.mark.parametrize(
    ("value", "best", "sense", "expected"),
    [
        (99.0, 100.0, "max", 1.0),
        (101.0, 100.0, "max", -1.0),
        (101.0, 100.0, "min", 1.0),
        (-99.0, -100.0, "min", 1.0),
        (-101.0, -100.0, "max", 1.0),
        (-100.0, -100.0, "min", 0.0),
        (3.0, 0.0, "min", 3.0),
        (3.0, 0.0, "max", -3.0),
    ],
)
def test_what_is_worse_has_a_gap_above_0(value: float, best: float, sense: str, expected: float) -> None:
    assert sense in ("min", "max")
    assert gap(value, best, "max" if sense == "max" else "min") == pytest.approx(expected)


def test_runs_end_at_values_of_the_literature_only() -> None:
    cut = BenchmarkInstance("cut", "max-cut", BQM, "max")
    assert cut.target is None
    assert cut.known(7.0).target == -7.0
    assert cut.known(7.0, "best seen").target is None
    assert cut.known(7.0, "best seen").best == BestKnown(7.0, "best seen")
    assert BenchmarkInstance("cost", "", BQM).known(7.0).target == 7.0
    assert str(cut.value(0.0)) == "0.0"


def test_work_doubles_and_the_last_call_takes_what_is_left(time: Time) -> None:
    clock = CpuClock(BQM, 1.0, now=time)
    done, drawn = [], []
    for work, seed in calls(clock, 3, 10):
        time.now += work / 128
        done.append(work)
        drawn.append(seed)
        clock.report(1.0, {})
    # 58 of 128 are left after 70, and 9 tenths of them are planned with.
    assert done == [10, 20, 40, 52]
    assert clock.seconds <= 1.0
    assert len(set(drawn)) == len(drawn)
    again = calls(CpuClock(BQM, 1.0, now=time), 3, 10)
    assert next(again) == (10, drawn[0])


def test_work_stays_below_its_most(time: Time) -> None:
    clock = CpuClock(BQM, 2.0, now=time)
    done = []
    for work, _ in calls(clock, 0, 1, 4):
        time.now += work / 8
        done.append(work)
    assert done == [1, 2, 4, 4, 4]
